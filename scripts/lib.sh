# Sourced by the scripts here: what they share about progress, packages and Node.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
  BOLD='' DIM='' PLAIN=''
fi

STEP=0
# step TEXT: one line of progress, numbered and with the seconds since the start.
step() {
  STEP=$((STEP + 1))
  printf '%s[%2d]%s %s %s(%ss)%s\n' "$BOLD" "$STEP" "$PLAIN" "$*" "$DIM" "$SECONDS" "$PLAIN" >&2
}

# fail SENTENCE [HINT]: says what is wrong and what to do, and ends.
fail() {
  printf '%s: error: %s\n' "$(basename "$0")" "$1" >&2
  [ $# -lt 2 ] || printf '%s: hint: %s\n' "$(basename "$0")" "$2" >&2
  exit 1
}

# need_node: Node 20.19 or newer, or a sentence that says what to install.
need_node() {
  local hint='install a current LTS release of Node.js (24): https://nodejs.org/en/download, or nodejs from the NodeSource packages; Debian 12 itself carries 18'
  command -v node >/dev/null 2>&1 || fail 'attestd needs Node.js 20.19 or newer, and there is no node here' "$hint"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "attestd needs Node.js 20.19 or newer, this is $(node --version)" "$hint"
  command -v npm >/dev/null 2>&1 || fail 'attestd needs npm, and there is none here' "$hint"
}

# need_packages NAME…: installs the Debian packages that are missing.
need_packages() {
  local missing=() name sudo=''
  for name in "$@"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null 2>&1 ||
    fail "these packages are missing: ${missing[*]}" 'install what they hold by your own package manager'
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "these packages are missing: ${missing[*]}" 'run this as root once'
    sudo=sudo
  fi
  printf '     installing %s\n' "${missing[*]}" >&2
  local log
  log=$(mktemp)
  # A machine that has just booted updates itself: apt waits for that to end.
  if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install ${missing[*]}" 'the lines above say why'
  fi
  rm -f "$log"
}

BUILD_PACKAGES=(g++ make python3 pkg-config libssl-dev libtss2-dev libtss2-tcti-swtpm0)
# For another kind of machine; what to link with, scripts/sysroot fetches.
CROSS_PACKAGES=(g++-aarch64-linux-gnu make python3 pkg-config openssl debian-archive-keyring)
DEMO_PACKAGES=(swtpm swtpm-tools openssl)

# npm_locked DIR OPTION…: the packages of DIR as its lock has them, by version and digest, or none at all.
npm_locked() {
  local dir=$1 log
  shift
  log=$(mktemp)
  if ! (cd "$dir" && npm ci "$@" --no-audit --no-fund --loglevel=error) >"$log" 2>&1; then
    # Without the help that npm prints below the cause.
    sed '/^npm error Clean install a project/,/^npm error Run "npm help ci"/d' "$log" | tail -n 20 >&2
    rm -f "$log"
    fail 'the npm packages could not be installed' 'the lines above say why'
  fi
  rm -f "$log"
}

# need_modules: npm packages exactly as locked; skipped when they are those already.
need_modules() {
  local stamp="$ROOT/node_modules/.attestd-lock"
  if [ -f "$stamp" ] && cmp -s "$stamp" "$ROOT/package-lock.json"; then return 0; fi
  npm_locked "$ROOT"
  cp "$ROOT/package-lock.json" "$stamp"
}

# need_build OPTION…: addon, by build-native with these options, and JavaScript, rebuilt only when a source is newer. One at a
# time, for tests that make packages run beside each other.
need_build() (
  mkdir -p "$ROOT/.cache"
  # Read, for it may be root's.
  [ -e "$ROOT/.cache/build.lock" ] || : >"$ROOT/.cache/build.lock"
  exec 9<"$ROOT/.cache/build.lock"
  flock 9
  cd "$ROOT"
  scripts/build-native "$@" >&2 || fail 'the addon does not build'
  stamp=dist/.built
  if [ -f "$stamp" ] && [ -z "$(find src package.json tsconfig.build.json -newer "$stamp" -print -quit)" ]; then exit 0; fi
  rm -rf dist
  npm run --silent build:ts >&2 || fail 'the TypeScript does not build'
  touch "$stamp"
)

# install_units DEST: units with their script, preset, users and directories of systemd/ below DEST.
install_units() {
  install -d "$1/usr/lib/systemd/system" "$1/usr/lib/systemd/system-preset" "$1/usr/lib/sysusers.d" "$1/usr/lib/tmpfiles.d"
  install -m 0644 "$ROOT"/systemd/*.service "$ROOT"/systemd/*.socket "$1/usr/lib/systemd/system/"
  install -m 0644 "$ROOT/systemd/attestd.preset" "$1/usr/lib/systemd/system-preset/90-attestd.preset"
  install -m 0644 "$ROOT/systemd/attestd.sysusers" "$1/usr/lib/sysusers.d/attestd.conf"
  install -m 0644 "$ROOT/systemd/attestd.tmpfiles" "$1/usr/lib/tmpfiles.d/attestd.conf"
  install -d "$1/usr/share/attestd" "$1/usr/lib/attestd"
  install -m 0755 "$ROOT/systemd/pace" "$1/usr/lib/attestd/pace"
  install -m 0644 "$ROOT/systemd/ima-policy" "$1/usr/share/attestd/ima-policy"
}
