/* AVX2 with FMA: 16 registers of 32 bytes: 6 x 2 accumulators, 2 vectors of B and a broadcast. */
#define HY_TILE_VECTOR 32
#define HY_TILE_ROWS 6
#define HY_TILE_VECTORS 2
