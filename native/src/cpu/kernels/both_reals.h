/* both_reals.h: includes BODY for float and for double: `real` is the type, T(name) a name of its own for it. */
#define real float
#define T(name) name##_f32
#include BODY
#undef real
#undef T

#define real double
#define T(name) name##_f64
#include BODY
#undef real
#undef T
#undef BODY
