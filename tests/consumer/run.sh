#!/usr/bin/env bash
# What a user does with the packages in artifacts/, in a folder outside the tree: trains, publishes self-contained and trimmed, publishes with
# NativeAOT, installs the command. Every model that one program saved is loaded by another. `./build.sh consumer` packs before it calls this.
set -euo pipefail
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
root=$(realpath "$here/../..")
[[ $(uname -s) != MINGW* ]] || root=$(cygpath -m "$root") # files that .NET reads know no /d/ for D:/
version=$(<"$root/VERSION")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1 HybridVersion=$version

# Packages of the same version as yesterday's must be unpacked anew, so they have a folder of their own; others come from the user's.
user_packages=$(dotnet nuget locals global-packages --list | sed 's/^[^:]*: *//')
export NUGET_PACKAGES=$root/build/consumer-packages
rm -rf "$NUGET_PACKAGES"/hybrid*
cat >nuget.config <<EOF
<configuration>
  <packageSources><add key="artifacts" value="$root/artifacts" /></packageSources>
  <fallbackPackageFolders><add key="user" value="$user_packages" /></fallbackPackageFolders>
</configuration>
EOF
platform=$(dotnet msbuild -getProperty:NETCoreSdkPortableRuntimeIdentifier "$here/Digits/Digits.csproj")
cp -r "$here/Digits" Digits
rm -rf Digits/bin Digits/obj

fail() { echo "consumer: $*" >&2; exit 1; }
quietly() { "$@" >log 2>&1 || { cat log >&2; fail "failed: $*"; }; }
[[ ! -d $user_packages/hybrid/$version ]] || fail "$user_packages/hybrid/$version would be used instead of the package in artifacts/: delete it"
megabytes() { LC_ALL=C awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }
# run OUTPUT COMMAND…: with line ends as everywhere, Windows' too
run() { "${@:2}" | tr -d '\r' >"$1"; }
# Of files, or of what folders hold besides symbols and the package that was unpacked there.
size_of() { find "$@" -type f \( -path "$root/artifacts/*" -o ! -name '*.pdb' ! -name '*.dbg' ! -name '*.nupkg' \) -exec cat {} + | wc -c; }
# at_most WHAT BYTES MEGABYTES
at_most() {
  printf '  %-55s %10s, at most %d MB\n' "$1" "$(megabytes "$2")" "$3"
  (($2 <= $3 * 1000000)) || fail "$1 is larger than $3 MB"
}
# publish FOLDER ARGUMENTS…
publish() { quietly dotnet publish Digits -c Release -r "$platform" -o "$@"; }

# What a program prints of its model: the accuracy, and every parameter with its sum.
same_model() { diff "$1" "$2" >&2 || fail "$3"; }
check_model() {
  LC_ALL=C awk '$1 == "accuracy" && $2 < 0.9 { exit 1 }' "$1" || fail "$(head -n1 "$1") after one epoch"
  local names
  names=$(sed 1d "$1" | cut -d' ' -f1 | tr '\n' ' ')
  [[ $names == "conv1.weight conv1.bias conv2.weight conv2.bias fc1.weight fc1.bias fc2.weight fc2.bias fc3.weight fc3.bias " ]] ||
    fail "the model's parameters are $names"
}

echo "A project outside the tree, from the packages of $version:"
quietly dotnet build Digits -c Release -o built
run trained dotnet built/Digits.dll train model.safetensors
check_model trained
echo "  LeNet, one epoch: $(head -n1 trained)"

publish contained --self-contained -p:PublishTrimmed=true -p:SuppressTrimAnalysisWarnings=false
run checked contained/Digits check model.safetensors
same_model trained checked "the trimmed program read another model than was saved"
echo "  self-contained and trimmed: $(megabytes "$(size_of contained)"), loads the model"

publish aot -p:PublishAot=true -p:IlcTreatWarningsAsErrors=true
run checked aot/Digits check model.safetensors
same_model trained checked "the NativeAOT program read another model than was saved"
run trained-aot aot/Digits train aot.safetensors
check_model trained-aot
run checked dotnet built/Digits.dll check aot.safetensors
same_model trained-aot checked "what the NativeAOT program saved was read differently"
at_most "NativeAOT digit classifier, all in" "$(size_of aot)" 25

for folder in "$root"/artifacts/native/*/; do
  other=$(basename "$folder")
  quietly dotnet publish Digits -c Release -r "$other" --no-self-contained -p:UseAppHost=false -o "for-$other"
  for library in "$folder"*; do cmp "$library" "for-$other/$(basename "$library")" >&2 || fail "a publish for $other has not that platform's library"; done
  echo "  published for $other: has that platform's library"
done

quietly dotnet tool install Hybrid.Cli --tool-path tool --version "$version"
quietly tool/hybrid info
echo "  the command: $(tr -s ' ' <log | head -n2 | paste -sd, -)"

echo "Sizes:"
at_most "Hybrid and Hybrid.Native.$platform, compressed" "$(size_of "$root/artifacts/Hybrid.$version.nupkg" "$root/artifacts/Hybrid.Native.$platform.$version.nupkg")" 15
at_most "the same, unpacked" "$(size_of "$NUGET_PACKAGES/hybrid" "$NUGET_PACKAGES/hybrid.native.$platform")" 40
