#!/usr/bin/env bash
# Makes the packages of all that is built: artifacts/*.nupkg. `./build.sh pack` builds this machine's core before it calls this; the other platforms'
# come from `./build.sh cross`, or from other machines: libraries that lie in artifacts/native/PLATFORM already are packed, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(<VERSION)
commit=$(git rev-parse HEAD)
repository=$(git config --get remote.origin.url || true)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) # the time of the files in the managed packages, which are the same bytes wherever a commit is packed
export SOURCE_DATE_EPOCH

# This machine, as NuGet names it.
host() {
  local system processor
  case $(uname -s) in Linux) system=linux ;; Darwin) system=osx ;; *) system=win ;; esac
  case $(uname -m) in aarch64 | arm64) processor=arm64 ;; *) processor=x64 ;; esac
  echo $system-$processor
}

# Copies what a build folder holds for packages, without its symbols: stage FOLDER PLATFORM
stage() {
  [[ -f $1/CMakeCache.txt ]] || return 0
  rm -rf "artifacts/native/$2"
  cmake --install "$1" --component package --strip --prefix "artifacts/native/$2" >/dev/null
  compgen -G "artifacts/native/$2/*" >/dev/null || { echo "pack.sh: $1 is set up, but has installed no library" >&2; exit 1; }
}

# The same of the CUDA backend, which `./build.sh cuda` builds in a folder of its own.
stage_cuda() {
  [[ -f build/cuda/native/src/cuda/libhybrid_cuda.so ]] || return 0
  rm -rf "artifacts/cuda/$1"
  cmake --install build/cuda --component cuda --strip --prefix "artifacts/cuda/$1" >/dev/null
}

# The newest symbol that a library for Linux takes from the C library: it runs with that glibc and all later ones.
newest_symbol() { objdump -T "$1" | { grep -oE 'GLIBC_[0-9.]+' || echo none; } | sort -uV | tail -n1; }

describe() {
  local kilobytes
  kilobytes=$(($(wc -c <"$1") / 1000))
  [[ $1 != *.so ]] || printf '  %s: %d KB, newest symbol %s\n' "$1" $kilobytes "$(newest_symbol "$1")"
  [[ $1 == *.so ]] || printf '  %s: %d KB\n' "$1" $kilobytes
}

pack_nuspec() {
  dotnet pack "$1" -o artifacts -v quiet "${@:2}" -p:version="$version" -p:authors="The Hybrid authors" -p:copyright="Copyright (c) the Hybrid authors" \
    -p:commit="$commit" -p:repository="$repository" >/dev/null
}

# The library for musl is in the package of the one for glibc: a publish for linux-musl-x64 takes the best fit from each package, linux-x64 where it
# finds no better, so two packages would both give it a libhybrid.so.
pack_native() {
  local folder platform library dependencies="" rid native
  for folder in artifacts/native/*/; do
    platform=$(basename "$folder")
    for library in "$folder"*; do describe "$library"; done
    [[ $platform != *-musl-* ]] || continue
    rm -rf "build/pack/native/$platform"
    for rid in "$platform" "${platform/linux-/linux-musl-}"; do
      native=build/pack/native/$platform/$rid/native
      [[ ! -d artifacts/native/$rid ]] || { mkdir -p "$native" && cp -p "artifacts/native/$rid"/* "$native"; }
    done
    pack_nuspec packaging/Hybrid.Native.Platform.nuspec -p:platform="$platform"
    dependencies+="<dependency id=\"Hybrid.Native.$platform\" version=\"[$version]\" />"
  done
  mkdir -p build/pack
  sed "s|<!-- platforms:.*-->|$dependencies|" packaging/Hybrid.Native.nuspec >build/pack/Hybrid.Native.nuspec
  pack_nuspec build/pack/Hybrid.Native.nuspec
}

pack_cuda() {
  local library
  if ! compgen -G "artifacts/cuda/$1/*" >/dev/null; then
    echo "  Hybrid.Cuda: left out, since libhybrid_cuda was not built (./build.sh cuda builds it)"
    return
  fi
  for library in "artifacts/cuda/$1/"*; do describe "$library"; done
  pack_nuspec packaging/Hybrid.Cuda.nuspec -p:platform="$1"
}

# In a tree of its own, with paths in it that are the same on every machine.
pack_managed() {
  local log=build/pack/dotnet.log
  dotnet pack "$1" -c Release -o artifacts --artifacts-path "$PWD/build/pack" -p:Packing=true -p:RepositoryUrl="$repository" -p:RepositoryCommit="$commit" -v quiet --nologo >$log 2>&1 ||
    { cat $log >&2; exit 1; }
}

rm -rf artifacts/*.nupkg artifacts/*.snupkg
stage build "$(host)"
for platform in linux-arm64 linux-musl-x64 win-x64; do stage build/$platform $platform; done
stage_cuda linux-x64
echo "Native libraries:"
pack_native
pack_cuda linux-x64
pack_managed managed/Hybrid
pack_managed managed/Hybrid.Cli
echo "Packages, compressed:"
for package in artifacts/*nupkg; do printf '  %-40s %8d KB\n' "$(basename "$package")" $(($(wc -c <"$package") / 1000)); done
