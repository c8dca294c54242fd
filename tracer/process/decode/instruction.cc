#include "tracer/process/decode/instruction.h"

namespace gpuvm {
namespace {

bool has_modrm_one_byte(uint8_t op) {
  if (op < 0x40) return (op & 7) < 4;
  switch (op) {
    case 0x63:
    case 0x69:
    case 0x6b:
    case 0xc0:
    case 0xc1:
    case 0xc6:
    case 0xc7:
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff:
      return true;
    default:
      return (op >= 0x80 && op <= 0x8f) || (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf);
  }
}

bool has_modrm_0f(uint8_t op) {
  return !((op >= 0x05 && op <= 0x09) || op == 0x0b || op == 0x0e || (op >= 0x30 && op <= 0x37) ||
           op == 0x77 || (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) ||
           (op >= 0xa8 && op <= 0xaa) || (op >= 0xc8 && op <= 0xcf));
}

bool invalid_one_byte(uint8_t op) {
  switch (op) {
    case 0x06:
    case 0x07:
    case 0x0e:
    case 0x16:
    case 0x17:
    case 0x1e:
    case 0x1f:
    case 0x27:
    case 0x2f:
    case 0x37:
    case 0x3f:
    case 0x60:
    case 0x61:
    case 0x82:
    case 0x9a:
    case 0xce:
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xea:
      return true;
    default:
      return false;
  }
}

unsigned immediate_one_byte(const Instruction& i) {
  const uint8_t op = i.opcode;
  const unsigned z = i.operand16 && !i.w ? 2 : 4;
  if (op < 0x40) return (op & 7) == 4 ? 1 : (op & 7) == 5 ? z : 0;
  if (op >= 0x70 && op <= 0x7f) return 1;
  if (op >= 0xb0 && op <= 0xb7) return 1;
  if (op >= 0xb8 && op <= 0xbf) return i.w ? 8 : z;
  if (op >= 0xa0 && op <= 0xa3) return i.address32 ? 4 : 8;
  if (op >= 0xe0 && op <= 0xe7) return 1;
  switch (op) {
    case 0x68:
    case 0x69:
    case 0x81:
    case 0xa9:
    case 0xc7:
      return z;
    case 0x6a:
    case 0x6b:
    case 0x80:
    case 0x83:
    case 0xa8:
    case 0xc0:
    case 0xc1:
    case 0xc6:
    case 0xcd:
    case 0xeb:
      return 1;
    case 0xc2:
    case 0xca:
      return 2;
    case 0xc8:
      return 3;
    case 0xe8:
    case 0xe9:
      return 4;
    case 0xf6:
      return (i.modrm >> 3 & 7) < 2 ? 1 : 0;
    case 0xf7:
      return (i.modrm >> 3 & 7) < 2 ? z : 0;
    default:
      return 0;
  }
}

unsigned immediate_0f(const Instruction& i) {
  const uint8_t op = i.opcode;
  if (i.map == kMap0F && op >= 0x80 && op <= 0x8f) return 4;
  if (i.map == kMap0F && op == 0x78 && (i.operand16 || i.repne)) return 2;
  if (i.map == kMap0F && (op == 0x0f || op == 0xa4 || op == 0xac || op == 0xba)) return 1;
  return (op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6) ? 1 : 0;
}

// The bytes of the instruction, with the end in mind.
struct Cursor {
  const uint8_t* bytes;
  size_t end;
  size_t at = 0;
  bool take(uint8_t* out) {
    if (at >= end) return false;
    *out = bytes[at++];
    return true;
  }
};

bool take_legacy_prefixes(Cursor* c, Instruction* i, uint8_t* op) {
  for (;;) {
    if (!c->take(op)) return false;
    switch (*op) {
      case 0x66:
        i->operand16 = true;
        break;
      case 0x67:
        i->address32 = true;
        break;
      case 0xf0:
        i->lock = true;
        break;
      case 0xf2:
        i->repne = true, i->rep = false;
        break;
      case 0xf3:
        i->rep = true, i->repne = false;
        break;
      case 0x64:
      case 0x65:
        i->segment = *op;
        break;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        break;
      default:
        if ((*op & 0xf0) != 0x40) return true;
        i->has_rex = true;
        i->w = (*op & 8) != 0, i->r = (*op & 4) != 0, i->x = (*op & 2) != 0, i->b = (*op & 1) != 0;
        if (!c->take(op)) return false;
        // A REX that is not the last prefix counts for nothing.
        switch (*op) {
          case 0x66:
          case 0x67:
          case 0xf0:
          case 0xf2:
          case 0xf3:
          case 0x64:
          case 0x65:
          case 0x26:
          case 0x2e:
          case 0x36:
          case 0x3e:
            i->has_rex = i->w = i->r = i->x = i->b = false;
            --c->at;
            break;
          default:
            if ((*op & 0xf0) != 0x40) return true;
            i->has_rex = i->w = i->r = i->x = i->b = false;
            --c->at;
        }
    }
  }
}

bool take_vex(Cursor* c, Instruction* i, uint8_t first) {
  if (i->has_rex || i->lock || i->operand16 || i->rep || i->repne) return false;
  i->prefix_at = static_cast<uint8_t>(c->at - 1);
  uint8_t p = 0;
  uint8_t map = 1;
  if (!c->take(&p)) return false;
  i->r = (p & 0x80) == 0;
  if (first == 0xc4) {
    i->x = (p & 0x40) == 0, i->b = (p & 0x20) == 0;
    map = p & 0x1f;
    if (map < 1 || map > 3 || !c->take(&p)) return false;
    i->w = (p & 0x80) != 0;
  }
  i->vvvv = static_cast<uint8_t>(~p >> 3 & 15);
  i->vector_length = p >> 2 & 1;
  i->pp = p & 3;
  i->map = static_cast<uint8_t>(4 + map);
  return c->take(&i->opcode);
}

bool take_evex(Cursor* c, Instruction* i) {
  if (i->has_rex || i->lock || i->operand16 || i->rep || i->repne) return false;
  i->prefix_at = static_cast<uint8_t>(c->at - 1);
  uint8_t p0 = 0, p1 = 0, p2 = 0;
  if (!c->take(&p0) || !c->take(&p1) || !c->take(&p2)) return false;
  const uint8_t map = p0 & 7;
  if ((p0 & 8) != 0 || (p1 & 4) == 0 || map == 0 || map == 4 || map == 7) return false;
  i->r = (p0 & 0x80) == 0, i->x = (p0 & 0x40) == 0, i->b = (p0 & 0x20) == 0, i->r_high = (p0 & 0x10) == 0;
  i->w = (p1 & 0x80) != 0;
  i->vvvv = static_cast<uint8_t>(~p1 >> 3 & 15);
  i->pp = p1 & 3;
  i->zeroing = (p2 & 0x80) != 0;
  i->vector_length = p2 >> 5 & 3;
  i->broadcast = (p2 & 0x10) != 0;
  i->v_high = (p2 & 8) == 0;
  i->mask = p2 & 7;
  i->map = static_cast<uint8_t>(8 + map);
  return c->take(&i->opcode);
}

bool take_opcode(Cursor* c, Instruction* i) {
  uint8_t op = 0;
  if (!take_legacy_prefixes(c, i, &op)) return false;
  if (op == 0xc4 || op == 0xc5) return take_vex(c, i, op);
  if (op == 0x62) return take_evex(c, i);
  i->opcode = op;
  if (op != 0x0f) return !invalid_one_byte(op);
  i->map = kMap0F;
  if (!c->take(&i->opcode)) return false;
  if (i->opcode != 0x38 && i->opcode != 0x3a) return true;
  i->map = i->opcode == 0x38 ? kMap0F38 : kMap0F3A;
  return c->take(&i->opcode);
}

bool take_operand(Cursor* c, Instruction* i) {
  if (!c->take(&i->modrm)) return false;
  i->has_modrm = true;
  if (i->mod() == 3) return true;
  if (i->rm() == 4) {
    i->has_sib = true;
    if (!c->take(&i->sib)) return false;
  }
  const bool no_base = i->mod() == 0 && (i->has_sib ? (i->sib & 7) == 5 : i->rm() == 5);
  i->displacement = i->mod() == 1 ? 1 : i->mod() == 2 || no_base ? 4 : 0;
  uint32_t value = 0;
  for (unsigned n = 0; n < i->displacement; ++n) {
    uint8_t byte = 0;
    if (!c->take(&byte)) return false;
    value |= uint32_t{byte} << (8 * n);
  }
  i->offset = i->displacement == 1 ? static_cast<int8_t>(value) : static_cast<int32_t>(value);
  return true;
}

}  // namespace

bool decode_instruction(const uint8_t* bytes, size_t available, Instruction* out) {
  Cursor c{bytes, available < kMaxInstructionBytes ? available : kMaxInstructionBytes};
  *out = Instruction{};
  Instruction& i = *out;
  if (!take_opcode(&c, &i)) return false;
  i.opcode_at = static_cast<uint8_t>(c.at - 1);
  bool modrm = true;
  unsigned immediate = 0;
  switch (i.map) {
    case kMapOneByte:
      modrm = has_modrm_one_byte(i.opcode);
      break;
    case kMap0F:
      modrm = has_modrm_0f(i.opcode);
      break;
    case kVex0F:
      modrm = i.opcode != 0x77;
      break;
    default:
      break;
  }
  if (modrm && !take_operand(&c, &i)) return false;
  if (i.map == kMapOneByte) {
    if (i.opcode == 0x8f && (i.modrm >> 3 & 7) != 0) return false;  // AMD's XOP
    immediate = immediate_one_byte(i);
  } else if (i.map == kMap0F3A || i.map == kVex0F3A || i.map == kEvex0F3A) {
    immediate = 1;
  } else if (i.map == kMap0F || i.map == kVex0F || i.map == kEvex0F) {
    immediate = immediate_0f(i);
  }
  i.immediate_at = static_cast<uint8_t>(c.at);
  i.immediate_bytes = static_cast<uint8_t>(immediate);
  if (c.at + immediate > c.end) return false;
  i.length = static_cast<uint8_t>(c.at + immediate);
  return true;
}

}  // namespace gpuvm
