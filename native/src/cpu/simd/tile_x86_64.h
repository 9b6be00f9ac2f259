/* Baseline x86-64: 16 registers of 16 bytes: 4 x 2 accumulators, 2 vectors of B, a broadcast and the product (there is no fused multiply-add). */
#define HY_TILE_VECTOR 16
#define HY_TILE_ROWS 4
#define HY_TILE_VECTORS 2
