// Objects: made, loaded, named, flushed (TPM 2.0 Part 3 §12, §24).
#include "tpm/call.h"

namespace attestd {

namespace {

// The inputs that Create and CreatePrimary share.
struct Birth {
  Wiped<TPM2B_SENSITIVE_CREATE> sensitive;
  TPM2B_PUBLIC area{};
  TPM2B_DATA outsideInfo{};
  TPML_PCR_SELECTION creationPcr{};
};

Birth birth(const Call& call) {
  Birth b;
  b.area.publicArea = Call::wire<TPMT_PUBLIC>(call.field("public"), "public", Tss2_MU_TPMT_PUBLIC_Unmarshal);
  b.sensitive.sensitive.userAuth = Call::sized<TPM2B_AUTH>(call.field("sensitiveAuth"), "sensitiveAuth", true);
  b.sensitive.sensitive.data =
      Call::sized<TPM2B_SENSITIVE_DATA>(call.field("sensitiveData"), "sensitiveData", true);
  b.outsideInfo = Call::sized<TPM2B_DATA>(call.field("outsideInfo"), "outsideInfo", true);
  b.creationPcr = Call::wireOr<TPML_PCR_SELECTION>(call.field("creationPcr"), "creationPcr",
                                                   Tss2_MU_TPML_PCR_SELECTION_Unmarshal, {});
  return b;
}

Record creation(const TPM2B_PUBLIC& area, const TPM2B_CREATION_DATA& data, const TPM2B_DIGEST& hash,
                const TPMT_TK_CREATION& ticket) {
  return {{"public", toWire<TPMT_PUBLIC>(area.publicArea, Tss2_MU_TPMT_PUBLIC_Marshal)},
          {"creationData", toWire<TPMS_CREATION_DATA>(data.creationData, Tss2_MU_TPMS_CREATION_DATA_Marshal)},
          {"creationHash", contents(hash)},
          {"creationTicket", toWire<TPMT_TK_CREATION>(ticket, Tss2_MU_TPMT_TK_CREATION_Marshal)}};
}

Bytes nameOf(Esys& esys, ESYS_TR tr) {
  Out<TPM2B_NAME> name;
  check(Esys_TR_GetName(esys.raw(), tr, &name));
  return contents(*name);
}

Napi::Value createPrimary(const Call& call) {
  const auto hierarchy = Call::hierarchy(call.field("hierarchy"), "hierarchy");
  return call.command({.name = "TPM2_CreatePrimary", .auths = 1, .encryptsIn = true, .encryptsOut = true}, 1,
                      [hierarchy, b = birth(call), adopt = call.adopter()](Esys& esys, const Slots& s) -> Answer {
                        ESYS_TR tr = ESYS_TR_NONE;
                        Out<TPM2B_PUBLIC> area;
                        Out<TPM2B_CREATION_DATA> data;
                        Out<TPM2B_DIGEST> hash;
                        Out<TPMT_TK_CREATION> ticket;
                        check(Esys_CreatePrimary(esys.raw(), hierarchy, s[0], s[1], s[2], &b.sensitive, &b.area,
                                                 &b.outsideInfo, &b.creationPcr, &tr, &area, &data, &hash, &ticket));
                        const auto handle = adopt(esys, tr, Kind::Object, false);
                        auto record = creation(*area, *data, *hash, *ticket);
                        record.emplace_back("handle", handle);
                        record.emplace_back("name", nameOf(esys, tr));
                        return record;
                      });
}

Napi::Value create(const Call& call) {
  const auto parent = call.object(call.field("parent"), "parent");
  return call.command({.name = "TPM2_Create", .auths = 1, .encryptsIn = true, .encryptsOut = true}, 1,
                      [parent, b = birth(call)](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_PRIVATE> secret;
                        Out<TPM2B_PUBLIC> area;
                        Out<TPM2B_CREATION_DATA> data;
                        Out<TPM2B_DIGEST> hash;
                        Out<TPMT_TK_CREATION> ticket;
                        check(Esys_Create(esys.raw(), parent.in(esys), s[0], s[1], s[2], &b.sensitive, &b.area,
                                          &b.outsideInfo, &b.creationPcr, &secret, &area, &data, &hash, &ticket));
                        auto record = creation(*area, *data, *hash, *ticket);
                        record.emplace_back("private", contents(*secret));
                        return record;
                      });
}

Napi::Value load(const Call& call) {
  const auto parent = call.object(call.field("parent"), "parent");
  const auto secret = Call::sized<TPM2B_PRIVATE>(call.field("private"), "private");
  TPM2B_PUBLIC area{};
  area.publicArea = Call::wire<TPMT_PUBLIC>(call.field("public"), "public", Tss2_MU_TPMT_PUBLIC_Unmarshal);
  return call.command({.name = "TPM2_Load", .auths = 1, .encryptsIn = true, .encryptsOut = true}, 1,
                      [=, adopt = call.adopter()](Esys& esys, const Slots& s) -> Answer {
                        ESYS_TR tr = ESYS_TR_NONE;
                        check(Esys_Load(esys.raw(), parent.in(esys), s[0], s[1], s[2], &secret, &area, &tr));
                        const auto handle = adopt(esys, tr, Kind::Object, false);
                        return Record{{"handle", handle}, {"name", nameOf(esys, tr)}};
                      });
}

Napi::Value loadExternal(const Call& call) {
  const auto hierarchy = Call::hierarchy(call.field("hierarchy"), "hierarchy");
  TPM2B_PUBLIC area{};
  area.publicArea = Call::wire<TPMT_PUBLIC>(call.field("public"), "public", Tss2_MU_TPMT_PUBLIC_Unmarshal);
  return call.command({.name = "TPM2_LoadExternal", .encryptsOut = true}, 1,
                      [=, adopt = call.adopter()](Esys& esys, const Slots& s) -> Answer {
                        ESYS_TR tr = ESYS_TR_NONE;
                        check(Esys_LoadExternal(esys.raw(), s[0], s[1], s[2], nullptr, &area, hierarchy, &tr));
                        const auto handle = adopt(esys, tr, Kind::Object, false);
                        return Record{{"handle", handle}, {"name", nameOf(esys, tr)}};
                      });
}

Napi::Value readPublic(const Call& call) {
  const auto object = call.object(call.arg(0), "object");
  return call.command({.name = "TPM2_ReadPublic", .encryptsOut = true}, 1,
                      [object](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_PUBLIC> area;
                        Out<TPM2B_NAME> name;
                        Out<TPM2B_NAME> qualified;
                        check(Esys_ReadPublic(esys.raw(), object.in(esys), s[0], s[1], s[2], &area, &name, &qualified));
                        return Record{{"public", toWire<TPMT_PUBLIC>(area->publicArea, Tss2_MU_TPMT_PUBLIC_Marshal)},
                                      {"name", contents(*name)},
                                      {"qualifiedName", contents(*qualified)}};
                      });
}

Napi::Value existing(const Call& call, const Spec& spec, Kind kind) {
  const auto number = Call::number(call.arg(0), "tpmHandle");
  return call.command(spec, 1, [=, adopt = call.adopter()](Esys& esys, const Slots& s) -> Answer {
    ESYS_TR tr = ESYS_TR_NONE;
    check(Esys_TR_FromTPMPublic(esys.raw(), number, s[0], s[1], s[2], &tr));
    const auto handle = adopt(esys, tr, kind, false);
    return Record{{"handle", handle}, {"name", nameOf(esys, tr)}};
  });
}

Napi::Value persistentObject(const Call& call) {
  return existing(call, {"TPM2_ReadPublic"}, Kind::Persistent);
}

Napi::Value nvIndex(const Call& call) { return existing(call, {"TPM2_NV_ReadPublic"}, Kind::Nv); }

Napi::Value setAuth(const Call& call) {
  const auto entity = call.entity(call.arg(0), "entity");
  const auto auth = Call::sized<TPM2B_AUTH>(call.arg(1), "auth");
  return call.local("setAuth", false, [=](Esys& esys) -> Answer {
    check(Esys_TR_SetAuth(esys.raw(), entity.in(esys), &auth));
    return Nothing{};
  });
}

Napi::Value getName(const Call& call) {
  const auto entity = call.handle(call.arg(0), "entity", {Kind::Object, Kind::Persistent, Kind::Nv});
  return call.local("getName", false, [=](Esys& esys) -> Answer { return nameOf(esys, entity.in(esys)); });
}

Napi::Value tpmHandle(const Call& call) {
  const auto handle = call.handle(
      call.arg(0), "handle", {Kind::Object, Kind::Persistent, Kind::Nv, Kind::Session, Kind::Sequence});
  return call.local("tpmHandle", false, [=](Esys& esys) -> Answer {
    TPM2_HANDLE number = 0;
    check(Esys_TR_GetTpmHandle(esys.raw(), handle.in(esys), &number));
    return Scalar(static_cast<double>(number));
  });
}

Napi::Value flush(const Call& call) {
  const auto handle = call.handle(
      call.arg(0), "handle", {Kind::Object, Kind::Persistent, Kind::Nv, Kind::Session, Kind::Sequence});
  return call.local("TPM2_FlushContext", true, [=](Esys& esys) -> Answer {
    check(esys.release(handle.tr));
    return Nothing{};
  });
}

constexpr MethodRow kMethods[] = {
    {"createPrimary", createPrimary}, {"create", create},   {"load", load},
    {"loadExternal", loadExternal},   {"readPublic", readPublic}, {"persistentObject", persistentObject},
    {"nvIndex", nvIndex},             {"setAuth", setAuth}, {"getName", getName},
    {"tpmHandle", tpmHandle},         {"flush", flush},
};

}  // namespace

std::span<const MethodRow> objectMethods() { return kMethods; }

}  // namespace attestd
