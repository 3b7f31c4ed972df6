// Non-volatile indices (TPM 2.0 Part 3 §31): the counter and the EK certificates.
#include "tpm/call.h"

namespace attestd {

namespace {

UINT16 small(const Call& call, const char* name) {
  return static_cast<UINT16>(Call::number(call.field(name), name, 65535));
}

Napi::Value nvReadPublic(const Call& call) {
  const auto index = call.index(call.arg(0), "index");
  return call.command({.name = "TPM2_NV_ReadPublic", .encryptsOut = true}, 1,
                      [index](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_NV_PUBLIC> area;
                        Out<TPM2B_NAME> name;
                        check(Esys_NV_ReadPublic(esys.raw(), index.in(esys), s[0], s[1], s[2], &area, &name));
                        return Record{
                            {"public", toWire<TPMS_NV_PUBLIC>(area->nvPublic, Tss2_MU_TPMS_NV_PUBLIC_Marshal)},
                            {"name", contents(*name)}};
                      });
}

Napi::Value nvRead(const Call& call) {
  const auto entity = call.entity(call.field("entity"), "entity");
  const auto index = call.index(call.field("index"), "index");
  const auto size = small(call, "size");
  const auto offset = small(call, "offset");
  return call.command({.name = "TPM2_NV_Read", .auths = 1, .encryptsOut = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_MAX_NV_BUFFER> data;
                        check(Esys_NV_Read(esys.raw(), entity.in(esys), index.in(esys), s[0], s[1], s[2], size, offset,
                                           &data));
                        return contents(*data);
                      });
}

Napi::Value nvDefineSpace(const Call& call) {
  const auto hierarchy = Call::hierarchy(call.field("hierarchy"), "hierarchy");
  const auto auth = Call::sized<TPM2B_AUTH>(call.field("auth"), "auth", true);
  TPM2B_NV_PUBLIC area{};
  area.nvPublic = Call::wire<TPMS_NV_PUBLIC>(call.field("public"), "public", Tss2_MU_TPMS_NV_PUBLIC_Unmarshal);
  return call.command({.name = "TPM2_NV_DefineSpace", .auths = 1, .encryptsIn = true}, 1,
                      [=, adopt = call.adopter()](Esys& esys, const Slots& s) -> Answer {
                        ESYS_TR tr = ESYS_TR_NONE;
                        check(Esys_NV_DefineSpace(esys.raw(), hierarchy, s[0], s[1], s[2], &auth, &area, &tr));
                        return Scalar(adopt(esys, tr, Kind::Nv, false));
                      });
}

Napi::Value nvIncrement(const Call& call) {
  const auto entity = call.entity(call.field("entity"), "entity");
  const auto index = call.index(call.field("index"), "index");
  return call.command({.name = "TPM2_NV_Increment", .auths = 1}, 1, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_NV_Increment(esys.raw(), entity.in(esys), index.in(esys), s[0], s[1], s[2]));
    return Nothing{};
  });
}

Napi::Value nvExtend(const Call& call) {
  const auto entity = call.entity(call.field("entity"), "entity");
  const auto index = call.index(call.field("index"), "index");
  const auto data = Call::sized<TPM2B_MAX_NV_BUFFER>(call.field("data"), "data");
  return call.command({.name = "TPM2_NV_Extend", .auths = 1, .encryptsIn = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        check(Esys_NV_Extend(esys.raw(), entity.in(esys), index.in(esys), s[0], s[1], s[2], &data));
                        return Nothing{};
                      });
}

Napi::Value nvUndefineSpace(const Call& call) {
  const auto hierarchy = Call::hierarchy(call.field("hierarchy"), "hierarchy");
  const auto index = call.index(call.field("index"), "index");
  return call.command({.name = "TPM2_NV_UndefineSpace", .auths = 1}, 1, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_NV_UndefineSpace(esys.raw(), hierarchy, index.in(esys), s[0], s[1], s[2]));
    esys.forget(index.tr);  // ESYS closed it together with the index
    return Nothing{};
  });
}

constexpr MethodRow kMethods[] = {
    {"nvReadPublic", nvReadPublic}, {"nvRead", nvRead},     {"nvDefineSpace", nvDefineSpace},
    {"nvIncrement", nvIncrement},   {"nvExtend", nvExtend}, {"nvUndefineSpace", nvUndefineSpace},
};

}  // namespace

std::span<const MethodRow> nvMethods() { return kMethods; }

}  // namespace attestd
