/* AVX-512: 32 registers of 64 bytes: 14 x 2 accumulators and 2 vectors of B; the broadcast of A is part of the multiply-add. */
#define HY_TILE_VECTOR 64
#define HY_TILE_ROWS 14
#define HY_TILE_VECTORS 2
