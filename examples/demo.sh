#!/bin/sh
# Packages hello-universe for three platforms, publishes it under one name to a
# registry of its own, and shows what a consumer of each platform gets. Needs
# no Docker, no root and no network. "make demo" builds the programs first.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$here/../out

fail() {
	echo "demo: $*" >&2
	exit 1
}

for program in "$out/pack" "$out/tools/pack" "$out/tools/crane"; do
	[ -x "$program" ] || fail "$program is not built; run \"make demo\" instead"
done

# Both programs are called pack. The manifest commands are what this project is
# about, all others are upstream's.
pack() {
	case $1 in
	manifest) "$out/pack" "$@" ;;
	*) "$out/tools/pack" "$@" ;;
	esac
}

crane() {
	"$out/tools/crane" "$@"
}

# type_ shows a command as one would type it, and runs it.
type_() {
	printf '\n$ %s\n' "$1"
	eval "$1" || fail "stopped, since this command failed: $1"
}

say() {
	printf '\n# %s\n' "$*"
}

tmp=$(mktemp -d)
registry=

clean_up() {
	if [ -n "$registry" ]; then
		kill "$registry" 2>/dev/null || true
		wait "$registry" 2>/dev/null || true
	fi
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Neither the lists nor the credentials nor the daemon of whoever runs this.
export PACK_HOME="$tmp/pack" DOCKER_CONFIG="$tmp/docker" DOCKER_HOST="unix://$tmp/no-daemon.sock"
unset XDG_RUNTIME_DIR CNB_REGISTRY_AUTH
mkdir "$tmp/docker" "$tmp/work"
cd "$tmp/work"

# Port 0 asks the system for a free one; crane writes which one to its log. Not
# by the function above: $! would be the shell around it.
"$out/tools/crane" registry serve --address 127.0.0.1:0 2>"$tmp/registry.log" &
registry=$!
port=
tries=0
while [ -z "$port" ]; do
	port=$(sed -n 's/.*serving on port \([0-9][0-9]*\).*/\1/p' "$tmp/registry.log")
	tries=$((tries + 1))
	[ "$tries" -le 100 ] || fail "the registry did not start: $(cat "$tmp/registry.log")"
	[ -n "$port" ] || sleep 0.1
done

repo=localhost:$port/demo/hello-universe
platforms='linux/amd64 linux/arm64 windows/amd64'

say 'One package for each platform, made without a Docker daemon.'
cp -R "$here/hello-universe" .
type_ 'pack config experimental true'
type_ 'pack buildpack package hello-universe --format file --path hello-universe'
type_ 'ls *.cnb'

say 'One list of the three, kept in local storage.'
type_ "pack manifest create $repo:0.0.1 ./hello-universe-*.cnb"
type_ "pack manifest inspect $repo:0.0.1 -o table"

say 'Published: the packages first, the list last.'
type_ "pack manifest push $repo:0.0.1"

say 'What a consumer of each platform gets.'
for platform in $platforms; do
	type_ "crane config --platform $platform $repo:0.0.1 | grep -oE '\"(architecture|os)\":\"[^\"]*\"'"
	found=$(crane config --platform "$platform" "$repo:0.0.1") || fail "no config for $platform"
	case $found in
	*"\"architecture\":\"${platform#*/}\""*"\"os\":\"${platform%/*}\""*) ;;
	*) fail "$platform was asked for, but another image came" ;;
	esac
done

say 'The same in OCI media types, straight to the registry.'
type_ "pack manifest create $repo:0.0.1-oci ./hello-universe-*.cnb --publish --format oci"
type_ "crane manifest $repo:0.0.1-oci"
echo
for platform in $platforms; do
	type_ "crane validate --platform $platform --remote $repo:0.0.1-oci"
done

say 'Done: every platform finds its package under one name.'
