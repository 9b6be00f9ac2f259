#!/usr/bin/env bash
# Runs a command where libtorch can: TorchSharp 0.107 needs the libstdc++ of GCC 13 (GLIBCXX_3.4.32), which Debian 12 lacks. There the command
# runs in a small Debian 13 root, made once (270 MB), that sees this machine's .NET and files at their own paths. Needs root.
set -euo pipefail

newest=$(grep -aoE 'GLIBCXX_3\.4\.[0-9]+' "$(gcc -print-file-name=libstdc++.so.6)" | sort -V | tail -n1)
if [[ $(printf '%s\n' GLIBCXX_3.4.32 "$newest" | sort -V | head -n1) == GLIBCXX_3.4.32 ]]; then exec "$@"; fi

((EUID == 0)) || { echo "bench: TorchSharp needs a newer libstdc++ than $newest; run this as root, on a newer Debian, or with --alone" >&2; exit 1; }
root=${HYBRID_PEER_ROOT:-/var/tmp/hybrid-debian13}
if [[ ! -e $root/.complete ]]; then
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } >&2
  echo "Making a Debian 13 root in $root" >&2
  rm -rf "$root"
  debootstrap --variant=minbase --include=libstdc++6,libgomp1,libicu76,libssl3t64,ca-certificates trixie "$root" >/dev/null
  touch "$root/.complete"
fi

# All of the machine's directories but the system's own, and .NET, at their own paths.
folders=("$(dirname "$(realpath "$(command -v dotnet)")")")
for folder in /*/; do
  case $folder in /bin/ | /boot/ | /dev/ | /etc/ | /lib*/ | /lost+found/ | /proc/ | /run/ | /sbin/ | /sys/ | /usr/ | /var/) ;; *) folders+=("${folder%/}") ;; esac
done
# In a mount namespace of its own: its mounts go when the command ends.
exec unshare --mount bash -euc '
  root=$1 dotnet=$2
  shift
  while [[ $1 != -- ]]; do mkdir -p "$root$1"; mount --rbind "$1" "$root$1"; shift; done
  shift
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  exec chroot "$root" env PATH="$dotnet:/usr/bin:/bin" bash -c "cd \"\$0\" && exec \"\$@\"" "$PWD" "$@"
' _ "$root" "${folders[@]}" -- "$@"
