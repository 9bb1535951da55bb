#!/usr/bin/env bash
# Makes sure that Docker has the image of kind's nodes; prints its tag as its last line.
#
# kind's own image is used where Docker can pull it. Elsewhere one is made here, from Debian's packages, the programs of
# ../kubernetes and ../coredns, and the files below root/; it is made again only when one of those changes.
# Exit codes: 2 when the machine won't do (one line says why), 1 when a step fails.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/node
suite=bookworm # its systemd 252 still runs on cgroup v1
packages=systemd,systemd-sysv,containerd,runc,containernetworking-plugins,iptables,conntrack,ethtool,iproute2,socat
packages+=,kmod,mount,procps,jq,libc-bin

die() { echo "e2e/node/build.sh: $*" >&2; exit 2; }
say() { echo "node image: $*" >&2; }

label() { docker image inspect --format '{{ index .Config.Labels "headrace.node" }}' "$image" 2>/dev/null; }

# Of all that the image is made from.
recipe() {
  (cd "$here" && find . -type f -print0 | sort -z | xargs -0 sha256sum && basename -a "${kubernetes%/bin}" "${coredns%/bin}") |
    sha256sum | cut -c 1-12
}

# Asking for the manifest first: a registry that doesn't answer costs seconds, a slow one gets its time.
pull() { timeout 15 docker manifest inspect "$image" >/dev/null 2>&1 && docker pull --quiet "$image" >&2; }

# Makes an image of a folder as it is; prints its id.
import() { tar -C "$1" --numeric-owner -c . | docker import "${@:2}"; } # folder, options of docker import

# Debian with what a node needs, as a tar file that outlives this build.
debian() {
  local tar
  tar=$cache/debian-$(echo "$suite $packages" | sha256sum | cut -c 1-12).tar
  if [[ ! -e $tar ]]; then
    [[ $(id -u) == 0 ]] && type -P apt-get >/dev/null || die "can't pull $image, and only root on Debian can make it"
    if ! type -P debootstrap >/dev/null; then
      apt-get -qq update >&2
      DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends debootstrap >/dev/null
    fi
    say "installing Debian $suite for the nodes"
    nice debootstrap --variant=minbase --include="$packages" "$suite" "$work/debian" >"$cache/debootstrap.log" 2>&1 || {
      say "debootstrap failed; the end of $cache/debootstrap.log:"
      tail -n 5 "$cache/debootstrap.log" >&2
      exit 1
    }
    (cd "$work/debian" && rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/{doc,man,locale,info}/*)
    tar -C "$work/debian" --numeric-owner -cf "$tar.new" .
    mv "$tar.new" "$tar"
    rm -rf "$work/debian"
  fi
  echo "$tar"
}

# kube-proxy calls iptables: that program with its libraries and extensions, from the node's own Debian.
add_iptables() { # node's folder, image's folder
  local node=$1 image=$2 name
  (cd "$node" && cp --parents -L usr/sbin/xtables-nft-multi usr/lib/*-linux-gnu/xtables/*.so "$image")
  # The extensions need libraries of their own: statistic, by which a service with several pods is shared out, the maths.
  chroot "$node" sh -c 'ldd /usr/sbin/xtables-nft-multi /usr/lib/*-linux-gnu/xtables/*.so' | grep -o '/lib[^ :]*\.so[^ :]*' |
    grep -v /xtables/ | sort -u | while read -r name; do
    (cd "$node" && cp --parents -L ".$name" "$image")
  done
  for name in iptables ip6tables; do
    ln -s xtables-nft-multi "$image/usr/sbin/$name"
    ln -s xtables-nft-multi "$image/usr/sbin/$name-save"
    ln -s xtables-nft-multi "$image/usr/sbin/$name-restore"
  done
}

# One image of a component: its program and nothing else.
component() { # tag
  local tag=$1 name=${1##*/} folder changes=(--change "ENV PATH=/usr/local/bin:/usr/sbin")
  name=${name%%:*} folder=$work/$name
  mkdir -p "$folder/usr/local/bin"
  case $name in
    pause) CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$folder/usr/local/bin/pause" "$here/pause.go" ;;
    coredns) cp "$coredns/coredns" "$folder/usr/local/bin/" ;;
    *) cp "$kubernetes/$name" "$folder/usr/local/bin/" ;;
  esac
  [[ $name != kube-proxy ]] || add_iptables "$work/node" "$folder"
  # kubeadm's manifests name the command of the others.
  case $name in pause | coredns) changes+=(--change "ENTRYPOINT [\"/usr/local/bin/$name\"]") ;; esac
  import "$folder" "${changes[@]}" - "$tag" >/dev/null
  rm -rf "$folder"
}

components() {
  local tag every_node=() control_plane=()
  for tag in $("$kubernetes/kubeadm" config images list --kubernetes-version "$version"); do
    component "$tag"
    case $tag in
      *pause* | *kube-proxy* | *coredns*) every_node+=("$tag") ;;
      *) control_plane+=("$tag") ;;
    esac
    [[ $tag != *pause* ]] || pause=$tag
  done
  mkdir -p "$work/node/kind/images"
  docker save -o "$work/node/kind/images/every-node.tar" "${every_node[@]}"
  docker save -o "$work/node/kind/images/control-plane.tar" "${control_plane[@]}"
  docker image rm "${every_node[@]}" "${control_plane[@]}" >/dev/null
}

node() {
  local root=$work/node base file said
  base=$(debian)
  mkdir -p "$root"
  tar -C "$root" -xf "$base"
  components
  # What Debian starts on a machine of its own (consoles, file systems, timers) has no place in a container.
  rm -f "$root"/lib/systemd/system/{multi-user,basic,local-fs}.target.wants/* "$root"/etc/systemd/system/*.wants/*
  cp -a "$here/root/." "$root/"
  for file in etc/containerd/config.toml kind/manifests/default-cni.yaml; do
    sed "s|@PAUSE@|$pause|" "$root/$file.in" >"$root/$file"
    rm "$root/$file.in"
  done
  cp "$kubernetes"/{kubelet,kubeadm,kubectl} "$root/usr/bin/"
  echo "$version" >"$root/kind/version"
  ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
  chroot "$root" systemctl --quiet enable containerd kubelet
  say "importing $(du -sh "$root" | cut -f 1) into Docker as $image"
  base=$(import "$root" -)
  said=$(DOCKER_BUILDKIT=0 docker build --tag "$image" --build-arg ROOT="$base" --build-arg RECIPE="$recipe" - \
    <"$here/Dockerfile" 2>&1) || { echo "$said" >&2; exit 1; }
  # The one that had the tag before.
  docker image prune --force --filter label=headrace.node >/dev/null
}

version=$(sed -n 's|^.*k8s\.io/kubernetes \(v[0-9.]*\).*$|\1|p' "$here/../kubernetes/go.mod")
image=kindest/node:$version
DOCKER_HOST=$(bash "$here/../docker/start.sh" | tail -n 1)
export DOCKER_HOST

made=$(label) || made=none
if [[ -z $made ]]; then
  say "$image is here already"
elif [[ $made == none ]] && pull; then
  say "pulled $image"
else
  kubernetes=$(bash "$here/../kubernetes/build.sh" | tail -n 1)
  coredns=$(bash "$here/../coredns/build.sh" | tail -n 1)
  recipe=$(recipe)
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9 # a second run waits here and then finds the work done
  if [[ $(label) != "$recipe" ]]; then
    say "Docker can't pull $image, so one is made here"
    PATH=$PATH:/usr/local/go/bin
    rm -rf "$cache"/work.* # what a killed run left
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    node
  fi
fi
echo "$image"
