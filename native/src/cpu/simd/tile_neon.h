/* NEON: 32 registers of 16 bytes: 8 x 2 accumulators, 2 vectors of B, and A by lane. */
#define HY_TILE_VECTOR 16
#define HY_TILE_ROWS 8
#define HY_TILE_VECTORS 2
