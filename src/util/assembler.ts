/**
 * Assembles WebAssembly: a function's instructions as bytes and, in step with them, as a readable
 * listing. Encodings: WebAssembly Core Specification 2.0, chapter 5 (binary format), with the
 * vector instructions; the relaxed ones by 3.0.
 */

/** Opcodes without immediates, by their names in the text format. */
const OPCODES = {
  else: [0x05],
  end: [0x0b],
  'i32.eq': [0x46],
  'i32.lt_s': [0x48],
  'i32.add': [0x6a],
  'i32.mul': [0x6c],
  'i32.or': [0x72],
  'f32.convert_i32_s': [0xb2],
  'i32.trunc_sat_f32_s': [0xfc, 0x00],
  'i32x4.splat': [0xfd, 0x11],
  'f32x4.splat': [0xfd, 0x13],
  'f32x4.eq': [0xfd, 0x41],
  'f32x4.lt': [0xfd, 0x43],
  'f32x4.gt': [0xfd, 0x44],
  'v128.and': [0xfd, 0x4e],
  'v128.andnot': [0xfd, 0x4f],
  'v128.or': [0xfd, 0x50],
  'v128.bitselect': [0xfd, 0x52],
  'i32x4.add': [0xfd, 0xae, 0x01],
  'i32x4.sub': [0xfd, 0xb1, 0x01],
  'f32x4.abs': [0xfd, 0xe0, 0x01],
  'f32x4.neg': [0xfd, 0xe1, 0x01],
  'f32x4.sqrt': [0xfd, 0xe3, 0x01],
  'f32x4.add': [0xfd, 0xe4, 0x01],
  'f32x4.sub': [0xfd, 0xe5, 0x01],
  'f32x4.mul': [0xfd, 0xe6, 0x01],
  'f32x4.div': [0xfd, 0xe7, 0x01],
  'f32x4.min': [0xfd, 0xe8, 0x01],
  'f32x4.max': [0xfd, 0xe9, 0x01],
  'f32x4.pmin': [0xfd, 0xea, 0x01],
  'f32x4.pmax': [0xfd, 0xeb, 0x01],
  'f32x4.relaxed_madd': [0xfd, 0x85, 0x02],
  'f32x4.relaxed_nmadd': [0xfd, 0x86, 0x02],
  'f64x2.add': [0xfd, 0xf0, 0x01],
  'f64x2.sub': [0xfd, 0xf1, 0x01],
  'f64x2.mul': [0xfd, 0xf2, 0x01],
  'i32x4.trunc_sat_f32x4_s': [0xfd, 0xf8, 0x01],
  'f32x4.convert_i32x4_s': [0xfd, 0xfa, 0x01],
} as const;

/** Loads and stores; each takes an alignment and an offset. */
const MEMORY_OPCODES = {
  'f32.load': [0x2a],
  'v128.load': [0xfd, 0x00],
  'v128.load32_splat': [0xfd, 0x09],
  'v128.load64_splat': [0xfd, 0x0a],
  'v128.store': [0xfd, 0x0b],
} as const;

/** Shifts of each lane by a scalar. */
const SHIFTS = { 'i32x4.shl': [0xfd, 0xab, 0x01], 'i32x4.shr_s': [0xfd, 0xac, 0x01] } as const;

type Plain = keyof typeof OPCODES;
type Memory = keyof typeof MEMORY_OPCODES;
export type ValueType = 'i32' | 'f32' | 'v128';

const VALUE_TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };
/** Every access may be unaligned; the hint has no cost on current machines. */
const ALIGN_4 = 2;

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest ? low | 0x80 : low);
  } while (rest);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

const scratch = new DataView(new ArrayBuffer(4));

function floatBytes(value: number): number[] {
  scratch.setFloat32(0, value, true);
  return [scratch.getUint8(0), scratch.getUint8(1), scratch.getUint8(2), scratch.getUint8(3)];
}

/** A vector of four equal lanes, as an instruction. */
function splatBytes(lane: readonly number[]): number[] {
  return [0xfd, 0x0c, ...lane, ...lane, ...lane, ...lane];
}

interface Constant {
  readonly local: number;
  readonly lane: readonly number[];
  readonly text: () => string;
}

/** One function under construction. Locals are numbers; the parameters come first. */
export class FunctionAssembler {
  private readonly code: number[] = [];
  private readonly lines: (() => string)[] = [];
  /** Constants that are set before everything else, by the bytes of a lane. */
  private readonly constants = new Map<string, Constant>();
  private readonly locals: ValueType[] = [];
  private depth = 1;

  constructor(
    readonly name: string,
    readonly parameters: readonly ValueType[],
  ) {}

  local(type: ValueType): number {
    this.locals.push(type);
    return this.parameters.length + this.locals.length - 1;
  }

  op(name: Plain): this {
    if (name === 'end' || name === 'else') this.depth--;
    this.write(() => name, OPCODES[name]);
    if (name === 'else') this.depth++;
    return this;
  }

  get(local: number): this {
    return this.write(() => `local.get ${local}`, [0x20, ...unsigned(local)]);
  }

  set(local: number): this {
    return this.write(() => `local.set ${local}`, [0x21, ...unsigned(local)]);
  }

  tee(local: number): this {
    return this.write(() => `local.tee ${local}`, [0x22, ...unsigned(local)]);
  }

  i32(value: number): this {
    return this.write(() => `i32.const ${value}`, [0x41, ...signed(value)]);
  }

  /** The same float in all four lanes, written where it is used. */
  float(value: number): this {
    return this.splat(floatBytes(value), () => `v128.const f32x4 ${Math.fround(value)}`);
  }

  /**
   * The same float in all four lanes, from a local that is set at the start of the function: at 256
   * bits a constant takes seven instructions wherever it is used.
   */
  constant(value: number): this {
    return this.hoisted(floatBytes(value), () => `v128.const f32x4 ${Math.fround(value)}`);
  }

  floats(values: readonly number[]): this {
    return this.write(
      () => `v128.const f32x4 ${values.join(' ')}`,
      [0xfd, 0x0c, ...values.flatMap(floatBytes)],
    );
  }

  /** The same 32 bits in all four lanes, from a local as `constant`. */
  bits(value: number): this {
    const lane = [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
    return this.hoisted(lane, () => `v128.const i32x4 0x${(value >>> 0).toString(16)}`);
  }

  private hoisted(lane: readonly number[], text: () => string): this {
    const key = lane.join();
    const known = this.constants.get(key) ?? { local: this.local('v128'), lane, text };
    this.constants.set(key, known);
    return this.get(known.local);
  }

  private splat(lane: readonly number[], text: () => string): this {
    return this.write(text, splatBytes(lane));
  }

  shift(name: keyof typeof SHIFTS, count: number): this {
    return this.i32(count).write(() => name, SHIFTS[name]);
  }

  memory(name: Memory, offset: number): this {
    return this.write(
      () => `${name} offset=${offset}`,
      [...MEMORY_OPCODES[name], ALIGN_4, ...unsigned(offset)],
    );
  }

  /** Loads 32 bits into `lane` of the vector below the address on the stack; address first. */
  loadLane(lane: number, offset: number): this {
    return this.write(
      () => `v128.load32_lane offset=${offset} ${lane}`,
      [0xfd, 0x56, ALIGN_4, ...unsigned(offset), lane],
    );
  }

  storeLane(lane: number, offset: number): this {
    return this.write(
      () => `v128.store32_lane offset=${offset} ${lane}`,
      [0xfd, 0x5a, ALIGN_4, ...unsigned(offset), lane],
    );
  }

  if(): this {
    this.write(() => 'if', [0x04, 0x40]);
    this.depth++;
    return this;
  }

  private loop(): this {
    this.write(() => 'loop', [0x03, 0x40]);
    this.depth++;
    return this;
  }

  /** A loop whose `body` runs at least once, with `local` from its value up to `to` by `step`. */
  count(local: number, step: number, to: number, body: () => void): void {
    this.loop();
    body();
    this.get(local).i32(step).op('i32.add').tee(local).i32(to).op('i32.lt_s').branchIf(0).op('end');
  }

  private branchIf(depth: number): this {
    return this.write(() => `br_if ${depth}`, [0x0d, ...unsigned(depth)]);
  }

  listing(): string {
    const locals = this.locals.map((type, i) => `${this.parameters.length + i}: ${type}`).join(', ');
    const header = `func ${this.name}(${this.parameters.join(', ')})  ;; locals ${locals}`;
    const constants = [...this.constants.values()].map(
      ({ local, text }) => `  ${text()}\n  local.set ${local}`,
    );
    return [header, ...constants, ...this.lines.map(line => line()), ''].join('\n');
  }

  /** The function's entry in the code section. */
  body(): number[] {
    const locals = this.locals.flatMap(type => [1, VALUE_TYPES[type]]);
    const declared = [...unsigned(this.locals.length), ...locals];
    const constants = [...this.constants.values()].flatMap(({ local, lane }) => [
      ...splatBytes(lane),
      0x21,
      ...unsigned(local),
    ]);
    const size = unsigned(declared.length + constants.length + this.code.length + OPCODES.end.length);
    return size.concat(declared, constants, this.code, OPCODES.end);
  }

  /** The text, created on request. */
  private write(text: () => string, bytes: readonly number[]): this {
    const { depth } = this;
    this.lines.push(() => `${'  '.repeat(depth)}${text()}`);
    for (const byte of bytes) this.code.push(byte);
    return this;
  }
}

export interface MemoryLimits {
  readonly initial: number;
  readonly maximum: number;
  readonly shared: boolean;
}

/** A module that imports `env.memory` and exports one function by its name. */
export function assembleModule(memory: MemoryLimits, assembled: FunctionAssembler): Uint8Array {
  const section = (id: number, item: readonly number[]) => [id, ...unsigned(item.length + 1), 1, ...item];
  const text = (value: string) => [...unsigned(value.length), ...new TextEncoder().encode(value)];
  const { parameters } = assembled;
  const type = [0x60, ...unsigned(parameters.length), ...parameters.map(each => VALUE_TYPES[each]), 0];
  const limits = [memory.shared ? 3 : 1, ...unsigned(memory.initial), ...unsigned(memory.maximum)];
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  return Uint8Array.from(
    header.concat(
      section(1, type),
      section(2, [...text('env'), ...text('memory'), 0x02, ...limits]),
      section(3, unsigned(0)),
      section(7, [...text(assembled.name), 0x00, 0x00]),
      section(10, assembled.body()),
    ),
  );
}
