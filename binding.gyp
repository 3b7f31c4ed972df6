{
  "targets": [
    {
      "target_name": "attestd",
      "sources": [
        "native/addon.cc",
        "native/js/answer.cc",
        "native/js/channel.cc",
        "native/js/system_error.cc",
        "native/sys/crc32c.cc",
        "native/sys/descriptor.cc",
        "native/sys/inherit.cc",
        "native/sys/notify.cc",
        "native/sys/nsm.cc",
        "native/sys/peer.cc",
        "native/sys/preallocate.cc",
        "native/sys/process.cc",
        "native/sys/sha256.cc",
        "native/sys/writer.cc",
        "native/tpm/admin.cc",
        "native/tpm/attest.cc",
        "native/tpm/call.cc",
        "native/tpm/context.cc",
        "native/tpm/esys.cc",
        "native/tpm/fault.cc",
        "native/tpm/guard.cc",
        "native/tpm/handle.cc",
        "native/tpm/job.cc",
        "native/tpm/nv.cc",
        "native/tpm/object.cc",
        "native/tpm/orphan.cc",
        "native/tpm/pcr.cc",
        "native/tpm/policy.cc",
        "native/tpm/rc.cc",
        "native/tpm/rc_table.cc",
        "native/tpm/response.cc",
        "native/tpm/session.cc",
        "native/tpm/sign.cc",
        "native/tpm/thread.cc",
      ],
      "include_dirs": ["native"],
      "dependencies": [
        "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"
      ],
      "defines": [
        "NAPI_VERSION=9",
        "TSS_VERSION=\"<!(pkg-config --modversion tss2-esys)\"",
      ],
      "cflags": [
        "<!@(pkg-config --cflags tss2-esys tss2-sys tss2-mu tss2-tctildr libcrypto)",
        "-Wall",
        "-Wextra",
        "-fvisibility=hidden",
        "-fstack-protector-strong",
      ],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-fvisibility-inlines-hidden"],
      # nodelete: a thread that hangs in the TPM outlives the environment that loaded this file.
      "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-z,relro"],
      "libraries": ["<!@(pkg-config --libs tss2-esys tss2-sys tss2-mu tss2-tctildr libcrypto)"],
    }
  ]
}
