// What a test may ask of the fake cuBLAS, and see of it: fake_cublas_state() of the shared object.
#pragma once

struct FakeCublas {
    int create_status = 0, status = 0; // what its functions return
    int delay_ms = 0;                  // how long a product takes at least
    bool idle = false;                 // whether products are left undone
    int creates = 0, calls = 0;        // how often it was asked
};

using FakeCublasState = FakeCublas *();
