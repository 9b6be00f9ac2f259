#!/usr/bin/env bash
# Tests Hybrid on this machine's NVIDIA GPU and measures it. Needs no network: CMake, nvcc, a C++ compiler and the driver; what else it takes is carried.
#
#   tests/gpu.sh carry         where there is a network and the .NET SDK: puts into build/gpu/carried what that machine may lack (GoogleTest's sources, the
#                              managed tests with a .NET of their own); copy build/gpu/carried along with the sources
#   tests/gpu.sh [STEP ...]    on the machine with the GPU: all steps, or those named: build, native, managed, sanitize, bench
#
# What it finds goes to build/gpu/report.md, from where it belongs in native/src/cuda/RESULTS.md, and each step's output to build/gpu/STEP.log. Fails when a
# step does; the others run all the same.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly out=build/gpu carried=build/gpu/carried native=build/gpu/native
readonly library=$PWD/$native/native/src/cuda/libhybrid_cuda.so tests=$native/native/hybrid_tests report=$out/report.md
readonly sanitizer_minutes=${HYBRID_SANITIZER_MINUTES:-20} # for each of its tools

die() { echo "gpu.sh: $*" >&2; exit 1; }

carry() {
  command -v dotnet >/dev/null || die "carry needs the .NET SDK, which is not on this machine"
  [[ -d /usr/src/googletest ]] || die "carry needs GoogleTest's sources in /usr/src/googletest (Debian and Ubuntu: googletest)"
  [[ -f build/native/libhybrid.so ]] || die "carry needs the native core: run ./build.sh first"
  rm -rf $carried && mkdir -p $carried
  tar -C /usr/src -czf $carried/googletest.tar.gz googletest
  dotnet publish tests/Hybrid.Tests -c Release -r linux-x64 --self-contained -p:Runner=true --artifacts-path "$PWD/$out/artifacts" -v quiet --nologo
  tar -C $out/artifacts/publish/Hybrid.Tests/release_linux-x64 -cJf $carried/managed.tar.xz .
  du -h $carried/*
}

check_machine() {
  local tool
  command -v nvidia-smi >/dev/null || die "no NVIDIA driver on this machine: nvidia-smi is not on the PATH. Install the driver for its GPU, or run this on a machine that has one"
  nvidia-smi -L 2>&1 | grep '^GPU 0' >/dev/null || die "the driver finds no NVIDIA GPU (nvidia-smi -L: $(nvidia-smi -L 2>&1 | head -n1))"
  for tool in cmake nvcc g++; do
    command -v $tool >/dev/null || die "$tool is not on the PATH: this script needs CMake, nvcc and a C++ compiler"
  done
}

# Of the first card: 90 for compute capability 9.0.
capability() { nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 | tr -dc 0-9; }

# Machine code for this card; the memory-bound kernels of 8.6 and 8.9 are those of 8.0. A card that this nvcc does not know gets PTX.
architectures() {
  local card newest
  card=$(capability) newest=$(nvcc --list-gpu-arch | tr -dc '0-9\n' | sort -n | tail -n1)
  if ((card > newest)); then echo "$newest-virtual"
  elif ((card == 86 || card == 89)); then echo "80-real;$card-real"
  else echo "$card-real"; fi
}

describe() {
  {
    echo "# The CUDA backend on a card"
    echo
    echo "- $(date -u +%Y-%m-%d), $(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader -i 0), compute capability $(capability)"
    echo "- $(nvcc --version | grep release), $(g++ --version | head -n1)"
    ! git rev-parse HEAD >/dev/null 2>&1 || echo "- commit $(git rev-parse --short HEAD)"
    echo
    echo "| step | result |"
    echo "|---|---|"
  } >$report
}

build() {
  local gtest=() generator=()
  ! command -v ninja >/dev/null || generator=(-G Ninja)
  if [[ -f $carried/googletest.tar.gz ]]; then
    tar -C $out -xzf $carried/googletest.tar.gz
    gtest=(-DHYBRID_GTEST_SOURCE="$PWD/$out/googletest/googletest")
  fi
  cmake -S . -B $native "${generator[@]}" -DHYBRID_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES="$(architectures)" "${gtest[@]}"
  cmake --build $native --parallel "$(nproc)" --target hybrid hybrid_cuda hybrid_tests hybrid_cuda_bench
}

# Of what the step build has made.
built() { [[ -e $1 ]] || { echo "$1 is missing: the step build comes first"; return 1; }; }

# On the card: every parity suite, and what is tested of streams, graphs, memory and errors.
native_tests() { built $tests && HYBRID_TUNING=none HYBRID_CUDA_LIBRARY=$library "$@" $tests --gtest_brief=1 --gtest_filter="${filter:-*/cuda:Cuda.*:Loading.*}"; }

native() {
  native_tests
  HYBRID_CUDA_SYNC=1 filter='Cuda.*' native_tests
}

managed() {
  [[ -f $carried/managed.tar.xz ]] || { echo "$carried/managed.tar.xz is missing: tests/gpu.sh carry makes it"; return 1; }
  built "$library"
  rm -rf $out/managed && mkdir -p $out/managed
  tar -C $out/managed -xJf $carried/managed.tar.xz
  cp $native/native/libhybrid.so $out/managed/ # that of this build
  (cd $out/managed && HYBRID_DEVICE=cuda HYBRID_CUDA_SYNC=1 HYBRID_CUDA_LIBRARY=$library ./Hybrid.Tests --progress off --no-ansi)
}

# The tools make kernels many times slower: each gets a while, and what it has not found by then it has not found.
sanitize() {
  local tool status=0
  built $tests
  command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not on the PATH (it comes with the CUDA toolkit)"; return 1; }
  for tool in memcheck racecheck initcheck synccheck; do
    echo "== $tool"
    local ended=0
    filter="${HYBRID_SANITIZER_FILTER:-*/cuda}" native_tests timeout "${sanitizer_minutes}m" compute-sanitizer --tool $tool --error-exitcode 86 --print-limit 20 || ended=$?
    case $ended in
      0) echo "== $tool: nothing found" ;;
      124) echo "== $tool: nothing found in $sanitizer_minutes minutes, not through" ;;
      *) echo "== $tool: FAILED ($ended)"; status=1 ;;
    esac
  done
  return $status
}

# Beside PyTorch where python3 has it.
bench() {
  local peer=()
  built $native/native/hybrid_cuda_bench
  ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || peer=(python3 tests/gpu_peer.py)
  HYBRID_CUDA_LIBRARY=$library $native/native/hybrid_cuda_bench >$out/bench.tsv
  if ((${#peer[@]})); then "${peer[@]}" >$out/peer.tsv; else : >$out/peer.tsv; fi
  awk -F'\t' 'BEGIN { print "| work | Hybrid, µs | rate | PyTorch, µs | ratio |\n|---|---|---|---|---|" }
    FILENAME ~ /peer/ { peer[$1] = $2; next }
    { printf "| %s | %.1f | %s | %s | %s |\n", $1, $2, $3, ($1 in peer) ? sprintf("%.1f", peer[$1]) : "-", ($1 in peer) ? sprintf("%.2f", peer[$1] / $2) : "-" }' $out/peer.tsv $out/bench.tsv
}

# Runs a step with its output in a log, and its last words in the report.
step() {
  local name=$1 ended began=$SECONDS last
  echo "== $name"
  set +e # a condition would turn it off within the step
  (set -e; "$name") >$out/"$name".log 2>&1
  ended=$?
  set -e
  last=$(grep -E '^\[  (PASSED|FAILED)|^== .*: |Passed!|Failed!|total:|[0-9]+ tests? ran' $out/"$name".log | tail -n 8 | tr '\n|' '; ' || true)
  if ((ended == 0)); then
    echo "| $name | passed in $((SECONDS - began)) s. $last |" >>$report
    [[ $name != bench ]] || table=$out/bench.log
  else
    echo "| $name | **failed** ($ended) after $((SECONDS - began)) s. ${last:-$(tail -n 1 $out/"$name".log | tr '|' ' ')} |" >>$report
    tail -n 40 $out/"$name".log >&2
    failed=1
  fi
}

main() {
  local name failed=0 table=
  [[ ${1:-} != carry ]] || { carry; return; }
  for name in "$@"; do [[ $name =~ ^(build|native|managed|sanitize|bench)$ ]] || die "no step '$name': build, native, managed, sanitize, bench, or carry"; done
  (($#)) || set -- build native managed sanitize bench
  check_machine
  mkdir -p $out
  describe
  for name in "$@"; do step "$name"; done
  [[ -z $table ]] || { echo; cat "$table"; } >>$report
  cat $report
  return $failed
}
main "$@"
