/**
 * Assembles x86-64: the few integer instructions that loops need, and 512-bit vector instructions
 * (AVX-512F). Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 * Checked against GNU as (test/engine/x86.test.ts).
 */

/** The number of a 64-bit register as instructions encode it; rsp (4) is not used. */
export type Register = number;

export const [RAX, RCX, RDX, RBX, RBP, RSI, RDI] = [0, 1, 2, 3, 5, 6, 7];
/** The number of a base that needs another byte: rsp's, and that of r12 without its high bit. */
const WITH_SIB = 4;

/** An address: a register and a constant number of bytes. */
export interface Memory {
  readonly base: Register;
  readonly offset: number;
}

export interface Label {
  at: number | undefined;
}

/** Opcodes of three vector operands, by their map: 0F, or 0F38. */
const ARITHMETIC = {
  vaddps: { map: 1, prefix: 0, opcode: 0x58 },
  vsubps: { map: 1, prefix: 0, opcode: 0x5c },
  vmulps: { map: 1, prefix: 0, opcode: 0x59 },
  vdivps: { map: 1, prefix: 0, opcode: 0x5e },
  vpandd: { map: 1, prefix: 1, opcode: 0xdb },
  vfmadd231ps: { map: 2, prefix: 1, opcode: 0xb8 },
  vfnmadd231ps: { map: 2, prefix: 1, opcode: 0xbc },
} as const;

export type ArithmeticName = keyof typeof ARITHMETIC;

const MOVE = { map: 1, prefix: 0 };
const VECTOR_BYTES = 64;
const FLOAT_BYTES = 4;
/** Compares floats: not less than, or not a number; raises no exception. */
const NOT_LESS = 0x15;

interface Encoding {
  readonly map: number;
  readonly prefix: number;
  readonly opcode: number;
}

interface Operands {
  readonly reg: number;
  /** The first source of three operands. */
  readonly source?: number;
  readonly rm: number | Memory;
  /** Whether the memory is one float for all lanes. */
  readonly isBroadcast?: boolean;
  /** The number of the mask; other lanes are zero if `isZeroing`. */
  readonly mask?: number;
  readonly isZeroing?: boolean;
  /** Bytes that a short offset counts in. */
  readonly unit?: number;
}

export class Assembler {
  private readonly code: number[] = [];
  private readonly jumps: { readonly from: number; readonly to: Label }[] = [];

  get bytes(): Uint8Array {
    const bytes = Uint8Array.from(this.code);
    const view = new DataView(bytes.buffer);
    for (const { from, to } of this.jumps) {
      if (to.at === undefined) throw new Error('a jump has no target');
      view.setInt32(from, to.at - (from + 4), true);
    }
    return bytes;
  }

  label(): Label {
    return { at: undefined };
  }

  here(label: Label): void {
    label.at = this.code.length;
  }

  push(register: Register): void {
    if (register > 7) this.emit(0x41);
    this.emit(0x50 + (register & 7));
  }

  pop(register: Register): void {
    if (register > 7) this.emit(0x41);
    this.emit(0x58 + (register & 7));
  }

  /** Returns with the upper halves of vectors clear, which code without AVX needs to be fast. */
  return(): void {
    this.emit(0xc5, 0xf8, 0x77, 0xc3);
  }

  add(to: Register, from: Register): void {
    this.integer(0x03, to, from);
  }

  /** Loads 32 bits; the upper ones are zero. */
  load32(to: Register, from: Memory): void {
    if (to > 7 || from.base > 7) this.emit(0x40 | ((to >> 3) << 2) | (from.base >> 3));
    this.emit(0x8b);
    this.memory(to, from, 1);
  }

  /** Loads 64 bits. */
  load64(to: Register, from: Memory): void {
    this.emit(0x48 | ((to >> 3) << 2) | (from.base >> 3), 0x8b);
    this.memory(to, from, 1);
  }

  store64(to: Memory, from: Register): void {
    this.emit(0x48 | ((from >> 3) << 2) | (to.base >> 3), 0x89);
    this.memory(from, to, 1);
  }

  /** Sets all 64 bits to a positive constant of 31 bits. */
  set(to: Register, value: number): void {
    if (to > 7) this.emit(0x41);
    this.emit(0xb8 + (to & 7));
    this.int32(value);
  }

  addConstant(to: Register, value: number): void {
    this.integer(0x81, 0, to);
    this.int32(value);
  }

  compare(register: Register, value: number): void {
    this.integer(0x81, 7, register);
    this.int32(value);
  }

  /** Sets `to` to `from` times a constant. */
  multiply(to: Register, from: Register, factor: number): void {
    this.integer(0x69, to, from);
    this.int32(factor);
  }

  /** Subtracts one, and jumps unless the result is zero. */
  countDown(register: Register, to: Label): void {
    this.addConstant(register, -1);
    this.jump(0x85, to);
  }

  jumpIfLess(to: Label): void {
    this.jump(0x8c, to);
  }

  jumpIfZero(to: Label): void {
    this.jump(0x84, to);
  }

  /** Loads a line into the cache of the given level. */
  prefetch(from: Memory, level = 1): void {
    if (from.base > 7) this.emit(0x41);
    this.emit(0x0f, 0x18);
    this.memory(level, from, 1);
  }

  /** Sets mask `to` to the low 16 bits of eax. */
  maskFromEax(to: number): void {
    this.emit(0xc5, 0xf8, 0x92, 0xc0 | (to << 3));
  }

  /** Other lanes than those of `mask` become zero. */
  loadVector(to: number, from: Memory, mask?: number): void {
    const masked = mask === undefined ? {} : { mask, isZeroing: true };
    this.vector({ ...MOVE, opcode: 0x10 }, { reg: to, rm: from, ...masked });
  }

  storeVector(to: Memory, from: number, mask?: number): void {
    this.vector({ ...MOVE, opcode: 0x11 }, { reg: from, rm: to, ...(mask === undefined ? {} : { mask }) });
  }

  moveVector(to: number, from: number, mask?: number): void {
    const masked = mask === undefined ? {} : { mask, isZeroing: true };
    this.vector({ ...MOVE, opcode: 0x28 }, { reg: to, rm: from, ...masked });
  }

  /** Loads one float into all lanes. */
  splat(to: number, from: Memory): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x18 }, { reg: to, rm: from, unit: FLOAT_BYTES });
  }

  /** Copies eax to all lanes. */
  splatEax(to: number): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x7c }, { reg: to, rm: RAX });
  }

  /** Combines `source` and `operand`; multiply-adds add to `to`. */
  arithmetic(
    name: ArithmeticName,
    to: number,
    source: number,
    operand: number | Memory,
    isBroadcast = false,
  ): void {
    const unit = isBroadcast ? FLOAT_BYTES : VECTOR_BYTES;
    this.vector(ARITHMETIC[name], { reg: to, source, rm: operand, isBroadcast, unit });
  }

  /** Sets the bits of mask `to` of all lanes but those in which `left` is less than `right`. */
  notLess(to: number, left: number, right: number): void {
    this.vector({ ...MOVE, opcode: 0xc2 }, { reg: to, source: left, rm: right });
    this.emit(NOT_LESS);
  }

  private emit(...bytes: number[]): void {
    this.code.push(...bytes);
  }

  private int32(value: number): void {
    this.emit(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255);
  }

  private jump(condition: number, to: Label): void {
    this.emit(0x0f, condition);
    this.jumps.push({ from: this.code.length, to });
    this.int32(0);
  }

  /** A 64-bit instruction of two registers. */
  private integer(opcode: number, reg: number, rm: Register): void {
    this.emit(0x48 | ((reg >> 3) << 2) | (rm >> 3), opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7));
  }

  /** The bytes of an operand in memory; an offset of 8 bits counts in `unit`. */
  private memory(reg: number, { base, offset }: Memory, unit: number): void {
    const short = offset / unit;
    const isShort = Number.isInteger(short) && short >= -128 && short <= 127;
    this.emit((isShort ? 0x40 : 0x80) | ((reg & 7) << 3) | (base & 7));
    if ((base & 7) === WITH_SIB) this.emit(0x24);
    if (isShort) this.emit(short & 255);
    else this.int32(offset);
  }

  /** An instruction with the prefix EVEX, at 512 bits; bits of register numbers are inverted. */
  private vector({ map, prefix, opcode }: Encoding, operands: Operands): void {
    const { reg, source = 0, rm, isBroadcast = false, mask = 0, isZeroing = false } = operands;
    const [bit3, bit4] = typeof rm === 'number' ? [rm & 8, rm & 16] : [rm.base & 8, 0];
    this.emit(
      0x62,
      (reg & 8 ? 0 : 0x80) | (bit4 ? 0 : 0x40) | (bit3 ? 0 : 0x20) | (reg & 16 ? 0 : 0x10) | map,
      ((~source & 15) << 3) | 4 | prefix,
      (isZeroing ? 0x80 : 0) | 0x40 | (isBroadcast ? 0x10 : 0) | (source & 16 ? 0 : 8) | mask,
      opcode,
    );
    if (typeof rm === 'number') this.emit(0xc0 | ((reg & 7) << 3) | (rm & 7));
    else this.memory(reg, rm, operands.unit ?? VECTOR_BYTES);
  }
}
