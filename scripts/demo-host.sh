# Sourced by scripts that need a host to look at: a software TPM, an authority for it, an enrolled daemon that runs, all in
# one folder. The caller has set DIR and FIRMWARE, has built the program, and ends with demo_host_stop.

DAEMON=''

# ctl ARGUMENT…: attestctl, shown as it is typed.
ctl() {
  printf '%s     $ attestctl %s%s\n' "$DIM" "${*//$DIR/${DIR#"$ROOT/"}}" "$PLAIN" >&2
  node dist/cli/main.js "$@"
}

# demo_daemon_stop: ends the daemon, with its final anchor and seal.
demo_daemon_stop() {
  [ -n "$DAEMON" ] || return 0
  kill -TERM "$DAEMON" 2>/dev/null || true
  wait "$DAEMON" 2>/dev/null || true
  DAEMON=''
}

# demo_host_stop: ends the daemon and its TPM.
demo_host_stop() {
  demo_daemon_stop
  [ ! -d "$DIR/tpm" ] || scripts/software-tpm stop "$DIR/tpm" || true
}

# demo_host: makes it in $DIR, which is empty, and waits until it takes records.
demo_host() {
  step "Software TPM with an EK certificate, extended from a real firmware log, in $DIR"
  mkdir -p "$DIR/state"
  touch "$DIR/.attestd-demo"
  chmod 700 "$DIR/state"
  local tcti
  tcti=$(scripts/software-tpm start "$DIR/tpm" "$FIRMWARE")
  cat "$DIR"/tpm/ca/*cert.pem >"$DIR/vendor.pem"
  cat >"$DIR/attestd.toml" <<TOML
fleet = "demo"
host = "host-1"
state_dir = "$DIR/state"

[socket]
path = "$DIR/attestd.sock"

[admin_socket]
path = "$DIR/admin.sock"

[tpm]
tcti = "$tcti"
assurance = "software"
firmware_log = "$FIRMWARE"

[log]
level = "warn"
TOML
  export ATTESTD_SOCKET=$DIR/attestd.sock

  step 'Authority for software TPMs'
  ctl ca init --dir "$DIR/ca" --name 'Demo CA' --software --no-passphrase
  step 'Keys, counter and log of the host'
  ctl init --config "$DIR/attestd.toml"
  step 'Enrolment by credential activation: request, challenge, response, certificate'
  ctl enroll request --config "$DIR/attestd.toml" -o "$DIR/request.json"
  ctl ca challenge "$DIR/request.json" --dir "$DIR/ca" --ek-roots "$DIR/vendor.pem" -o "$DIR/challenge.json"
  ctl enroll respond "$DIR/challenge.json" --config "$DIR/attestd.toml" -o "$DIR/response.json"
  ctl ca issue "$DIR/response.json" --dir "$DIR/ca" --approve -o "$DIR/certificate.pem"
  ctl enroll install "$DIR/certificate.pem" --config "$DIR/attestd.toml"

  step 'Daemon'
  node dist/daemon/main.js --config "$DIR/attestd.toml" >"$DIR/daemon.log" 2>&1 &
  DAEMON=$!
  for _ in $(seq 200); do
    ! node dist/cli/main.js status >/dev/null 2>&1 || break
    kill -0 "$DAEMON" 2>/dev/null || { cat "$DIR/daemon.log" >&2; fail 'the daemon ended' "its log is $DIR/daemon.log"; }
    sleep 0.1
  done
}
