/**
 * Writes kernels for a GPU in WGSL, from the representation that the SIMD code is made of. A shader
 * runs one or more kernels, each for some number of `instances`: equal kernels on other arrays. All
 * arrays are in one buffer; a record has their addresses.
 */
import type { Axis } from './language.js';
import {
  type Affine,
  coefficient,
  type Instruction,
  type KernelIr,
  type Load,
  outputElement,
  type UnaryOperation,
  type Value,
} from './simd-ir.js';
import type { Parameter } from './simd-lower.js';

/** A kernel in a shader. */
interface ShaderPart {
  readonly ir: KernelIr;
  readonly parameters: readonly Parameter[];
}

export interface Shader {
  readonly source: string;
  /** Numbers of a record that are those of an instance. */
  readonly words: number;
  /** Workgroups of an instance. */
  readonly grid: readonly [x: number, y: number, z: number];
}

/** Bytes of a record that a shader sees. */
export const RECORD_BYTES = 1024;
export const MAX_WORDS = RECORD_BYTES / 4;
/** Workgroups in each direction that every device allows. */
export const MAX_GROUPS = 65535;

export const PRELUDE = `
@group(0) @binding(0) var<storage, read_write> heap: array<f32>;
@group(0) @binding(1) var<uniform> record: array<vec4i, ${RECORD_BYTES / 16}>;
fn word(i: i32) -> i32 { return record[i >> 2u][i & 3]; }
fn element(i: i32) -> i32 { return i32(bitcast<u32>(word(i)) >> 2u); }
`;

/** Each kernel has no loop of products, and the same `x` and `y`. */
export function writeShader(kernels: readonly ShaderPart[]): Shader {
  const [{ ir }] = kernels;
  const isProduct = kernels.length === 1 && productsOf(ir) !== undefined;
  return isProduct ? productShader(kernels[0]) : elementShader(kernels);
}

/** Threads of a workgroup. */
const THREADS = 64;

/** Each thread computes one element of every kernel, or all along z if their extents differ. */
function elementShader(kernels: readonly ShaderPart[]): Shader {
  const { x, y, z } = kernels[0].ir.extents;
  const isFlat = kernels.every(({ ir }) => ir.extents.z === z);
  const count = x * y * (isFlat ? z : 1);
  const groups = Math.ceil(count / THREADS);
  const columns = Math.min(groups, MAX_GROUPS);
  const records = new Records(kernels);
  const bodies = kernels.map(({ ir }, i) => {
    const code = new ElementCode(ir, name => records.name(i, name));
    const body = code.lines();
    return isFlat ? ['{', ...body, '}'] : [`for (var z = 0; z < ${ir.extents.z}; z++) {`, ...body, '}'];
  });
  const source = shader([
    `let at = i32((group.y * ${columns}u + group.x) * ${THREADS}u + lane);`,
    `if (at >= ${count}) { return; }`,
    `let x = at % ${x};`,
    `let y = (at / ${x}) % ${y};`,
    ...(isFlat ? [`let z = at / ${x * y};`] : []),
    'let base = i32(group.z);',
    ...records.lines('base'),
    ...bodies.flat(),
  ]);
  return { source, words: records.words, grid: [columns, Math.ceil(groups / columns), 1] };
}

function shader(body: readonly string[], globals = ''): string {
  return `${PRELUDE}${globals}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
${body.map(line => `  ${line}`).join('\n')}
}
`;
}

/** The names of what a record has of each kernel: its arguments in order, then its output. */
class Records {
  readonly words: number;

  constructor(private readonly kernels: readonly ShaderPart[]) {
    this.words = kernels.reduce((sum, { parameters }) => sum + parameters.length + 1, 0);
  }

  name(kernel: number, parameter: string): string {
    const { parameters } = this.kernels[kernel];
    const at = parameters.findIndex(({ name }) => name === parameter);
    return `r${kernel}_${at < 0 ? parameters.length : at}`;
  }

  /** Defines the names; addresses are in bytes. */
  lines(instance: string): string[] {
    let word = 0;
    return this.kernels.flatMap(({ parameters }, kernel) =>
      [...parameters.map(({ type }) => type), 'array'].map((type, i) => {
        const read = type === 'integer' ? 'word' : 'element';
        return `let r${kernel}_${i} = ${read}(${instance} * ${this.words} + ${word++});`;
      }),
    );
  }
}

/** The name of the output in `Records`. */
const OUTPUT = '';

const FUNCTIONS: Readonly<Record<UnaryOperation, string>> = {
  negate: '-',
  abs: 'abs',
  sqrt: 'sqrt',
  exp: 'exp',
  log: 'log',
  tanh: 'tanh',
};
const OPERATORS = { add: '+', subtract: '-', multiply: '*', divide: '/' } as const;

/** Writes the code of one element, or of `LANES` elements that are adjacent along x. */
class ElementCode {
  constructor(
    protected readonly ir: KernelIr,
    protected readonly nameOf: (parameter: string) => string,
  ) {}

  lines(): string[] {
    const { ir } = this;
    return [
      ...ir.locals.map((_, i) => `var ${this.local(i)} = ${this.number('0f')};`),
      ...this.instructions(ir.body),
      `heap[${this.nameOf(OUTPUT)} + ${this.affine(outputElement(ir.extents))}] = ${this.value(ir.result)};`,
    ];
  }

  instructions(all: readonly Instruction[]): string[] {
    return all.flatMap(instruction => {
      if (instruction.kind === 'set')
        return [`${this.local(instruction.local)} = ${this.value(instruction.value)};`];
      if (instruction.kind === 'loop') {
        const { variable, from, to, body } = instruction;
        const head = `for (var ${variable} = ${from}; ${variable} < ${to}; ${variable}++) {`;
        return [head, ...this.instructions(body), '}'];
      }
      const selector = `(${this.affine(instruction.selector)})`;
      const cases = instruction.cases.flatMap(({ numbers, body }, i) => [
        `${i === 0 ? '' : '} else '}if (${numbers.map(number => `${selector} == ${number}`).join(' || ')}) {`,
        ...this.instructions(body),
      ]);
      return [...cases, '} else {', ...this.instructions(instruction.otherwise), '}'];
    });
  }

  value(value: Value): string {
    switch (value.kind) {
      case 'constant':
        return this.number(literal(value.value));
      case 'scalar':
        return this.number(`heap[${this.nameOf(value.name)}]`);
      case 'integer':
        return this.integer(value.value);
      case 'load':
        return this.load(value);
      case 'local':
        return this.local(value.local);
      case 'unary':
        return `${FUNCTIONS[value.operation]}(${this.value(value.operand)})`;
      case 'binary': {
        const [left, right] = [this.value(value.left), this.value(value.right)];
        const { operation } = value;
        return operation === 'min' || operation === 'max'
          ? `${operation}(${left}, ${right})`
          : `(${left} ${OPERATORS[operation]} ${right})`;
      }
      case 'multiply-add':
        throw new Error('unreachable: multiply-adds are fused for the SIMD code only');
    }
  }

  affine({ constant, terms }: Affine): string {
    const parts = [...terms].map(([name, factor]) => {
      const variable = this.variable(name);
      return factor === 1 ? variable : `${variable} * ${factor}`;
    });
    if (constant !== 0 || parts.length === 0) parts.push(String(constant));
    return parts.join(' + ');
  }

  protected variable(name: string): string {
    return this.ir.integers.has(name) ? this.nameOf(name) : name;
  }

  protected number(scalar: string): string {
    return scalar;
  }

  protected integer(value: Affine): string {
    return `f32(${this.affine(value)})`;
  }

  protected local(local: number): string {
    return `l${local}`;
  }

  protected load(load: Load): string {
    return `heap[${this.element(load)}]`;
  }

  protected element({ array, element, gathered }: Load): string {
    const indices = gathered.map(({ index, stride }) => `i32(heap[${this.element(index)}]) * ${stride}`);
    return [this.nameOf(array), this.affine(element), ...indices].join(' + ');
  }
}

/** In float32. */
function literal(value: number): string {
  const rounded = Math.fround(value);
  return rounded < 0 ? `(${rounded}f)` : `${rounded}f`;
}

/** A loop, or loops within each other, that adds products of what varies along y and along x. */
interface ProductLoop {
  /** From the outermost. */
  readonly loops: readonly Extract<Instruction, { kind: 'loop' }>[];
  readonly local: number;
  readonly row: Value;
  readonly column: Value;
}

/** The products of a kernel that has no other loops; undefined if there are none. */
function productsOf(ir: KernelIr): ReadonlyMap<Instruction, ProductLoop> | undefined {
  const found = new Map<Instruction, ProductLoop>();
  for (const instruction of ir.body) {
    if (instruction.kind === 'set') continue;
    if (instruction.kind === 'branch') {
      if (hasLoop([...instruction.cases.flatMap(({ body }) => body), ...instruction.otherwise])) return;
      continue;
    }
    const product = productOf(instruction);
    if (!product) return undefined;
    found.set(instruction, product);
  }
  return found.size > 0 ? found : undefined;
}

export function hasLoop(instructions: readonly Instruction[]): boolean {
  return instructions.some(instruction => {
    if (instruction.kind === 'branch')
      return hasLoop([...instruction.cases.flatMap(({ body }) => body), ...instruction.otherwise]);
    return instruction.kind === 'loop';
  });
}

function productOf(outermost: Extract<Instruction, { kind: 'loop' }>): ProductLoop | undefined {
  const loops = [outermost];
  for (;;) {
    const { body } = loops[loops.length - 1];
    const [only] = body;
    if (body.length !== 1) return undefined;
    if (only.kind === 'loop') {
      loops.push(only);
      continue;
    }
    if (only.kind !== 'set' || only.value.kind !== 'binary' || only.value.operation !== 'add')
      return undefined;
    const { left: sum, right: term } = only.value;
    if (sum.kind !== 'local' || sum.local !== only.local) return undefined;
    if (term.kind !== 'binary' || term.operation !== 'multiply') return undefined;
    const { left, right } = term;
    const reads = [left, right].every(value => value.kind === 'load');
    if (!reads) return undefined;
    const { local } = only;
    if (!left.varies.x && !right.varies.y) return { loops, local, row: left, column: right };
    if (!right.varies.x && !left.varies.y) return { loops, local, row: right, column: left };
    return undefined;
  }
}

/** Elements of a tile of a workgroup, in each direction; terms of a sum that are loaded at once. */
const [TILE, DEPTH] = [32, 16];
/** Rows of a thread, and elements of a row. */
const LANES = 4;
const SIDE = TILE / LANES;

/** Each workgroup computes a tile from parts of both factors that it loads into its own memory. */
function productShader(kernel: ShaderPart): Shader {
  const { ir } = kernel;
  const { x, y, z } = ir.extents;
  const records = new Records([kernel]);
  const code = new TileCode(ir, name => records.name(0, name));
  const globals = `var<workgroup> rows: array<f32, ${TILE * DEPTH}>;
var<workgroup> columns: array<f32, ${TILE * DEPTH}>;
`;
  const body = [
    `let z = i32(group.z) % ${z};`,
    `let base = i32(group.z) / ${z};`,
    `let left = i32(group.x) * ${TILE};`,
    `let top = i32(group.y) * ${TILE};`,
    `let column = i32(lane) % ${SIDE} * ${LANES};`,
    `let row = i32(lane) / ${SIDE} * ${LANES};`,
    'let x = left + column;',
    ...records.lines('base'),
    ...code.tileLines(),
  ];
  const source = shader(body, globals);
  return { source, words: records.words, grid: [Math.ceil(x / TILE), Math.ceil(y / TILE), z] };
}

/** A thread's part of a tile. Locals have `LANES` rows of vectors. */
class TileCode extends ElementCode {
  tileLines(): string[] {
    const { ir } = this;
    const products = productsOf(ir)!;
    const lines = ir.locals.map((_, i) => `var l${i}: array<vec4f, ${LANES}>;`);
    let between: Instruction[] = [];
    const flush = () => {
      if (between.length > 0) lines.push(...this.eachRow(this.instructions(between)));
      between = [];
    };
    for (const instruction of ir.body) {
      const product = products.get(instruction);
      if (product) {
        flush();
        lines.push(...this.product(product));
      } else between.push(instruction);
    }
    const element = this.affine(outputElement(ir.extents));
    const stores = ['x', 'y', 'z', 'w'].map(
      (lane, i) => `if (x + ${i} < ${ir.extents.x}) { heap[to + ${i}] = result.${lane}; }`,
    );
    const last = [
      `if (y >= ${ir.extents.y}) { break; }`,
      ...this.instructions(between),
      `let result = ${this.value(ir.result)};`,
      `let to = ${this.nameOf(OUTPUT)} + ${element};`,
      ...stores,
    ];
    return [...lines, ...this.eachRow(last)];
  }

  private eachRow(lines: readonly string[]): string[] {
    return [`for (var i = 0; i < ${LANES}; i++) {`, 'let y = top + row + i;', ...lines, '}'];
  }

  private product({ loops, local, row, column }: ProductLoop): string[] {
    const { variable, from, to } = loops[loops.length - 1];
    const load = (into: string, value: Value, axis: Axis, start: string) => {
      const scalar = new ElementCode(this.ir, this.nameOf);
      // neighbouring threads load neighbouring elements
      const alongSum = value.kind === 'load' && coefficient(value.element, axis) !== 1;
      const [place, term] = alongSum ? [`e / ${DEPTH}`, `e % ${DEPTH}`] : [`e % ${TILE}`, `e / ${TILE}`];
      return [
        `for (var e = i32(lane); e < ${TILE * DEPTH}; e += ${THREADS}) {`,
        `let place = ${place};`,
        `let ${axis} = ${start} + place;`,
        `let ${variable} = start + ${term};`,
        `${into}[(${term}) * ${TILE} + place] = select(0f, ${scalar.value(value)}, ${variable} < ${to} && ${axis} < ${this.ir.extents[axis]});`,
        '}',
      ];
    };
    const lanes = (array: string, at: string) =>
      `vec4f(${[0, 1, 2, 3].map(i => `${array}[${at} + ${i}]`).join(', ')})`;
    const inner = [
      `for (var start = ${from}; start < ${to}; start += ${DEPTH}) {`,
      ...load('rows', row, 'y', 'top'),
      ...load('columns', column, 'x', 'left'),
      'workgroupBarrier();',
      `for (var term = 0; term < ${DEPTH}; term++) {`,
      `let own = ${lanes('columns', `term * ${TILE} + column`)};`,
      ...[0, 1, 2, 3].map(i => `l${local}[${i}] += rows[term * ${TILE} + row + ${i}] * own;`),
      '}',
      'workgroupBarrier();',
      '}',
    ];
    const outer = loops.slice(0, -1);
    const heads = outer.map(
      ({ variable, from, to }) => `for (var ${variable} = ${from}; ${variable} < ${to}; ${variable}++) {`,
    );
    return [...heads, ...inner, ...outer.map(() => '}')];
  }

  protected override number(scalar: string): string {
    return `vec4f(${scalar})`;
  }

  protected override integer(value: Affine): string {
    const step = coefficient(value, 'x');
    const lanes = step === 0 ? '' : ` + vec4f(0f, ${[1, 2, 3].map(i => literal(i * step)).join(', ')})`;
    return `(vec4f(f32(${this.affine(value)}))${lanes})`;
  }

  protected override local(local: number): string {
    return `l${local}[i]`;
  }

  protected override load(load: Load): string {
    const step = coefficient(load.element, 'x');
    const element = this.element(load);
    if (step === 0) return `vec4f(heap[${element}])`;
    return `vec4f(${[0, 1, 2, 3].map(i => `heap[${element} + ${i * step}]`).join(', ')})`;
  }
}
