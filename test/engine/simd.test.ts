/**
 * Our compiler from kernels to WebAssembly, for every target: the accuracy of its functions, random
 * kernels, what it writes, what it refuses.
 */

import fc from 'fast-check';
import t from 'tap';
import { type KernelUse, lowerKernel } from '../../src/engine/kernels.js';
import { KernelError, type KernelTree } from '../../src/engine/language.js';
import { install, machineFunction } from '../../src/engine/machine-code.js';
import { assembleProduct } from '../../src/engine/machine-product.js';
import { compileIr, type MachineTarget, machineArithmetic } from '../../src/engine/simd-compile.js';
import type { Parameter } from '../../src/engine/simd-lower.js';
import { LANES, type Pack, packedElement, type Target } from '../../src/engine/simd-tile.js';
import { SMALLEST_RESULT } from '../../src/engine/simd-tile-code.js';
import { missingFor512 } from '../../src/engine/width.js';
import { RandomStream } from '../../src/util/random.js';
import { evaluator } from '../support/kernel-evaluator.js';
import { kernels, products, type RandomKernel } from '../support/random-kernel.js';

const PAGE = 65536;
const SEED = 1;
/**
 * Separate products and sums run everywhere, and so does what is written for 256 bits. Machine code
 * of 512 bits runs where the processor has them, and has no functions of its own.
 */
const MERGED = [...new Set([machineArithmetic(), 'separate'] as const)].flatMap(arithmetic =>
  ([128, 256] as const).map((width): Target => ({ arithmetic, width })),
);
const WIDE: readonly MachineTarget[] =
  missingFor512() === undefined ? [{ arithmetic: 'fused', width: 256, isWide: true }] : [];
const TARGETS = [...MERGED, ...WIDE];

/** What the tests use of WebAssembly, whose types belong to the browser's library. */
declare const WebAssembly: {
  Memory: new (limits: {
    initial: number;
    maximum: number;
    shared: boolean;
  }) => {
    buffer: ArrayBuffer & SharedArrayBuffer;
  };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { run: Run } };
};

type Run = (...operands: number[]) => void;

function instantiate(
  { target, ...use }: KernelUse & { readonly target: Target },
  pages: number,
): { run: Run; memory: ArrayBuffer; spareBytes: number; isMachine: boolean; tree: KernelTree } {
  const limits = { initial: pages, maximum: pages, shared: true };
  const memory = new WebAssembly.Memory(limits);
  const runOf = ({ bytes }: { bytes: Uint8Array }) =>
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports.run;
  const { fused, parameters, tree } = lowerKernel(use);
  const request = { parameters, target, memory: limits };
  const product = 'isWide' in target && assembleProduct(fused, parameters);
  if (!product) {
    const code = compileIr(fused, request);
    return { run: runOf(code), memory: memory.buffer, spareBytes: code.spareBytes, isMachine: false, tree };
  }
  const { bytes, finish, spareBytes } = product;
  const floats = parameters.flatMap(({ type }, i) => (type === 'float' ? [i] : []));
  const sums = machineFunction(memory as never, { address: install(bytes), floats });
  const rest = finish && runOf(compileIr(finish, request));
  const run: Run = (...operands) => {
    sums(operands);
    rest?.(...operands);
  };
  return { run, memory: memory.buffer, spareBytes, isMachine: true, tree };
}

function vectorFunction(
  target: Target,
  expression: string,
  count: number,
): (x: Float32Array) => Float32Array {
  const { run, memory } = instantiate(
    {
      source: `function (a) {\n  const x = a[this.thread.x];\n  return ${expression};\n}`,
      parameters: [{ name: 'a', type: 'array', extents: [count] }],
      target,
      extents: { x: count, y: 1, z: 1 },
    },
    Math.ceil((count * 8) / PAGE) + 1,
  );
  return x => {
    new Float32Array(memory).set(x);
    run(0, count * 4, 0);
    return new Float32Array(memory, count * 4, count);
  };
}

function ulpOf(value: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), -126);
  return 2 ** (exponent - 23);
}

const CHUNK = 1 << 16;
/**
 * A prime, so that every exponent and sign is met with ever other mantissas: 2.1 million numbers.
 */
const STRIDE = 2039;
const SPECIAL = [
  0,
  -0,
  Infinity,
  -Infinity,
  NaN,
  1,
  -1,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  -(2 ** -126),
].concat(
  [
    0.625, -0.625, 88.72283, 88.8, -87.33, -103.9, -104, 9, 10, -10, 3.4028234663852886e38,
    -3.4028234663852886e38,
  ],
  [2 ** 24, Math.SQRT2, Math.SQRT1_2, 0.35, -0.35, Math.LN2, 1 - 2 ** -24, 1 + 2 ** -23, Math.E],
);

interface Worst {
  ulps: number;
  absolute: number;
  at: number;
}

interface Sampled {
  readonly count: number;
  /**
   * The largest of min(error in ULP / 4, absolute error / 3e-7): at most 1 where the bound holds.
   */
  readonly excess: number;
  /** Where the error in ULP is largest, and where the absolute error of a result below 2 is. */
  readonly inUlps: Worst;
  readonly inAbsolute: Worst;
  readonly lostNaN: number[];
}

function sampleFunction(target: Target, expression: string, exact: (x: number) => number): Sampled {
  const compiled = vectorFunction(target, expression, CHUNK);
  const bits = new Uint32Array(CHUNK);
  const x = new Float32Array(bits.buffer);
  const inUlps: Worst = { ulps: 0, absolute: 0, at: 0 };
  const inAbsolute: Worst = { ulps: 0, absolute: 0, at: 0 };
  const lostNaN: number[] = [];
  let [count, excess, next] = [0, 0, 0];
  while (next < 2 ** 32) {
    for (let i = 0; i < CHUNK; i++, next += STRIDE) bits[i] = next;
    if (count === 0) x.set(SPECIAL);
    const y = compiled(x);
    for (let i = 0; i < CHUNK; i++) {
      const expected = exact(x[i]);
      const rounded = Math.fround(expected);
      count++;
      if (Object.is(y[i], rounded) || y[i] === rounded) continue;
      if (Number.isNaN(expected) || Number.isNaN(y[i])) {
        lostNaN.push(x[i]);
        continue;
      }
      // results that vanish are stored as zero, by design
      if (y[i] === 0 && Math.abs(expected) < SMALLEST_RESULT) continue;
      // an infinity where the largest finite number was due is one step beyond it
      const actual = Number.isFinite(y[i]) ? y[i] : Math.sign(y[i]) * 2 ** 128;
      const limit = Number.isFinite(rounded) ? expected : Math.sign(rounded) * 2 ** 128;
      const absolute = Math.abs(actual - limit);
      const ulps = absolute / ulpOf(limit);
      excess = Math.max(excess, Math.min(ulps / 4, absolute / 3e-7));
      if (ulps > inUlps.ulps) Object.assign(inUlps, { ulps, absolute, at: x[i] });
      if (absolute > inAbsolute.absolute && Math.abs(limit) < 2)
        Object.assign(inAbsolute, { ulps, absolute, at: x[i] });
    }
  }
  return { count, excess, inUlps, inAbsolute, lostNaN };
}

const FUNCTIONS: Record<string, [expression: string, exact: (x: number) => number]> = {
  exp: ['Math.exp(x)', Math.exp],
  log: ['Math.log(x)', Math.log],
  tanh: ['Math.tanh(x)', Math.tanh],
  sqrt: ['Math.sqrt(x)', Math.sqrt],
  sigmoid: ['1 / (1 + Math.exp(-x))', x => 1 / (1 + Math.exp(-x))],
};

const samples = MERGED.flatMap(target =>
  Object.entries(FUNCTIONS).map(([name, [expression, exact]]) => ({ target, name, expression, exact })),
);
for (const { target, name, expression, exact } of samples) {
  t.test(`${name} over all exponents and both signs, ${target.arithmetic} ${target.width}`, async t => {
    const { count, excess, inUlps, inAbsolute, lostNaN } = sampleFunction(target, expression, exact);
    t.ok(count >= 2e6, `${count} numbers`);
    t.same(lostNaN, [], 'not a number exactly where the function is not');
    t.ok(
      excess <= 1,
      `at most 4 ULP or 3e-7; the worst are ${inUlps.ulps.toFixed(2)} ULP at ${inUlps.at} and ${inAbsolute.absolute.toExponential(2)} at ${inAbsolute.at}`,
    );
  });
}

/** Bytes that belong to nobody, before the arrays, around the output and after the spare memory. */
const GUARD = 64;

interface Prepared {
  /** @param packs 0 to read the copies of the run before */
  readonly run: (packs?: number) => void;
  readonly memory: ArrayBuffer;
  readonly outputOffset: number;
  readonly cells: number;
  readonly spare: { readonly begin: number; readonly end: number };
  readonly isMachine: boolean;
  expected(cell: number): { value: number; error: number };
}

interface Options {
  readonly seed: number;
  /** Floats between a multiple of 16 bytes and each array. */
  readonly shift: number;
  readonly target: Target;
}

/**
 * Random numbers of a kernel, of which its arrays have as many as they need. A prime, so that no
 * two rows or columns are alike.
 */
const POOL = 1021;
/** Bytes that no kernel here needs more of for its copies. */
const MAX_SPARE = 15 * PAGE;

/** `size` numbers of `pool`, from the one at `start` on, again and again. */
function repeated(pool: Float32Array, start: number, size: number): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = pool[(start + i) % pool.length];
  return values;
}

function prepare(
  { source, extents, arrays, symbols, integers }: RandomKernel,
  { seed, shift, target }: Options,
): Prepared {
  const random = RandomStream.of(seed, source);
  let offset = GUARD + shift * 4;
  const place = (bytes: number) => {
    const at = offset;
    offset += bytes;
    return at;
  };
  const pool = Float32Array.from({ length: POOL }, () => random.uniform() * 2 - 1);
  const data = Object.fromEntries(
    Object.entries(arrays).map(([name, dims]) => {
      const size = dims.reduce((product, one) => product * one, 1);
      const count = symbols[name];
      const values =
        count === undefined
          ? repeated(pool, random.integer(POOL), size)
          : Float32Array.from({ length: size }, () => random.integer(count));
      return [name, { dims, data: values, offset: place(size * 4) }];
    }),
  );
  const f0 = Math.fround(random.uniform());
  offset += GUARD;
  const { x, y, z } = extents;
  const cells = x * y * z;
  const outputOffset = place(cells * 4);
  const begin = Math.ceil((offset + GUARD) / 16) * 16;
  const names = (/\((.*?)\)/.exec(source)?.[1] ?? '').split(', ');
  const parameters = names.map((name): Parameter => {
    if (data[name]) return { name, type: 'array', extents: data[name].dims };
    return { name, type: name === 'f0' ? 'float' : 'integer' };
  });
  const { run, memory, spareBytes, isMachine, tree } = instantiate(
    { source, parameters, extents, target },
    Math.ceil((begin + MAX_SPARE + GUARD) / PAGE) + 1,
  );
  if (spareBytes > MAX_SPARE) throw new Error(`${spareBytes} bytes of spare memory`);
  // not a number, wherever it is read
  new Uint8Array(memory).fill(0xff);
  for (const { data: values, offset: at } of Object.values(data))
    new Float32Array(memory, at, values.length).set(values);
  const operands = names.map(name => data[name]?.offset ?? (name === 'f0' ? f0 : integers[name]));
  const valueAt = evaluator(tree, { scalars: { f0, ...integers }, arrays: data });
  return {
    run: (packs = 1) => run(...operands, outputOffset, begin, packs),
    memory,
    outputOffset,
    cells,
    isMachine,
    spare: { begin, end: begin + spareBytes },
    expected: cell => valueAt({ x: cell % x, y: Math.floor(cell / x) % y, z: Math.floor(cell / (x * y)) }),
  };
}

/**
 * The first byte outside `ranges` (from, to; ascending) where `after` differs from `before`; -1
 * where there is none.
 */
function firstChange(before: Uint8Array, after: Uint8Array, ranges: readonly [number, number][]): number {
  const ends = [0, ...ranges.map(([, to]) => to)];
  const starts = [...ranges.map(([from]) => from), before.length];
  for (const [i, end] of ends.entries()) {
    const [old, now] = [before.subarray(end, starts[i]), after.subarray(end, starts[i])];
    if (Buffer.compare(old, now) !== 0) return end + now.findIndex((byte, at) => byte !== old[at]);
  }
  return -1;
}

const options = fc.record({
  seed: fc.nat(),
  shift: fc.integer({ min: 0, max: 3 }),
  target: fc.constantFrom(...TARGETS),
});

t.test('each round of nested loops has its own place in a packed copy', t => {
  const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 });
  const property = fc.property(shapes, fc.integer({ min: 1, max: 4 }), (extents, vectors) => {
    const loops = extents.map(
      (to, i) => ({ kind: 'loop', variable: `k${i}`, from: 0, to, body: [] }) as const,
    );
    const load = { element: { constant: 0, terms: new Map() }, gathered: [] };
    const { constant, terms } = packedElement({ load, loops, at: 0 } as unknown as Pack, vectors);
    const rounds = extents.reduce<number[][]>(
      (all, to) => all.flatMap(indices => Array.from({ length: to }, (_, i) => [...indices, i])),
      [[]],
    );
    const offsets = rounds.map(indices =>
      indices.reduce((sum, index, i) => sum + index * (terms.get(`k${i}`) ?? 0), constant),
    );
    // in the order of the loops, without gaps
    const expected = rounds.map((_, round) => round * vectors * LANES);
    if (offsets.join() !== expected.join()) throw new Error(`${offsets} instead of ${expected}`);
  });
  t.doesNotThrow(() => fc.assert(property, { seed: SEED }));
  t.end();
});

t.test('random kernels compute their expressions and write nowhere else', async t => {
  let packed = 0;
  const cellsSeen = { checked: 0, overflown: 0 };
  const any = fc.oneof({ arbitrary: kernels, weight: 7 }, products);
  const property = fc.property(any, options, (kernel, options) => {
    const { run, memory, outputOffset, cells, spare, expected } = prepare(kernel, options);
    const before = new Uint8Array(memory.slice(0));
    run();
    const after = new Uint8Array(memory);
    const outputRange: [number, number] = [outputOffset, outputOffset + cells * 4];
    const changed = firstChange(before, after, [outputRange, [spare.begin, spare.end]]);
    if (changed >= 0) throw new Error(`byte ${changed} was written, the output is ${outputRange}`);
    if (firstChange(before, after, [outputRange]) >= 0) packed++;
    const once = memory.slice(...outputRange);
    new Uint8Array(memory).fill(0xff, ...outputRange);
    run(0);
    if (Buffer.compare(Buffer.from(once), Buffer.from(memory.slice(...outputRange))) !== 0)
      throw new Error(`the copies of the first run are not those of the second\n${kernel.source}`);
    new Float32Array(memory, outputOffset, cells).forEach((actual, cell) => {
      const { value, error } = expected(cell);
      // a square of a square of a square overflows: nothing can be said
      if (!(Math.abs(value) + error < 1e30)) {
        cellsSeen.overflown++;
        return;
      }
      cellsSeen.checked++;
      if (!(Math.abs(actual - value) <= 2 * error + SMALLEST_RESULT)) {
        throw new Error(`cell ${cell} is ${actual}, not ${value} +- ${error}\n${kernel.source}`);
      }
    });
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000, seed: SEED }));
  t.ok(cellsSeen.overflown < cellsSeen.checked / 50, JSON.stringify(cellsSeen));
  t.ok(packed > 20, `${packed} of them packed what they read again`);
});

t.test('every target with the same arithmetic computes the same bytes', async t => {
  const machine = { kernels: 0, products: 0 };
  const compare = (kind: keyof typeof machine) => (kernel: RandomKernel, given: Options) => {
    const computed = TARGETS.filter(({ arithmetic }) => arithmetic === given.target.arithmetic).map(
      target => {
        const { run, memory, outputOffset, cells, isMachine } = prepare(kernel, { ...given, target });
        if (isMachine) machine[kind]++;
        run();
        return Buffer.from(memory.slice(outputOffset, outputOffset + cells * 4));
      },
    );
    for (const other of computed) {
      if (!other.equals(computed[0])) throw new Error(`results differ\n${kernel.source}`);
    }
  };
  const ofKernels = fc.property(kernels, options, compare('kernels'));
  t.doesNotThrow(() => fc.assert(ofKernels, { numRuns: 300, seed: SEED }));
  const ofProducts = fc.property(products, options, compare('products'));
  t.doesNotThrow(() => fc.assert(ofProducts, { numRuns: 300, seed: SEED }));
  t.ok(WIDE.length === 0 || machine.products > 100, `${machine.products} products are machine code`);
});

t.test('unsupported expressions are refused with their position', async t => {
  const compile = (source: string) =>
    lowerKernel({
      source,
      parameters: [
        { name: 'a', type: 'array', extents: [8] },
        { name: 'p', type: 'integer' },
        { name: 'f', type: 'float' },
      ],
      extents: { x: 8, y: 1, z: 1 },
    });
  const body = (text: string) => `function (a, p, f) {\n  ${text}\n}`;
  const located: Record<string, string> = {
    'return Math.random();': '2:15: Math.random is not in the language',
    'return Math.max(f);': '2:15: Math.max takes 2 arguments',
    'return f % 2;': '2:10: operator % is not in the language',
    'return f > 1 ? 1 : 0;': '2:10: ConditionalExpression is not in the language',
    'return +f;': '2:10: operator + is not in the language',
    "return 'f';": '2:10: expected a number, got f',
    'return helper(f);': '2:10: expected a function of Math, got Identifier',
    'return this.constants.n;': '2:10: expected this.thread',
    'return this.thread.w;': '2:22: expected x, y or z, got w',
    'let s = 0;\n  while (f < 1) { s += 1; }\n  return s;':
      '3:3: expected a statement of the language, got WhileStatement',
    'let s = 0;\n  if (p === 1) { s = 1; }\n  return s;': '3:3: expected else',
    'let s = 0;': '2:3: expected return, got VariableDeclaration',
    'let s = 0, u = 1;\n  return s;': '2:14: expected ;',
    'let s = 0;\n  s -= f;\n  return s;': '3:3: expected = or +=, got -=',
    'let s = 0;\n  for (let k = 0; k <= 3; k++) { s += f; }\n  return s;': '3:19: expected k <, got <=',
    'let s = 0;\n  for (let k = 0; k < 3; k += 2) { s += f; }\n  return s;':
      '3:26: expected k++, got AssignmentExpression',
  };
  for (const [text, message] of Object.entries(located)) {
    t.throws(() => compile(body(text)), { name: 'KernelError', message: `kernel ${message}` }, text);
  }
  const named: Record<string, string> = {
    'return b[0];': "'b' is not an array",
    'return a[f];': "index 0 of 'a' is not affine",
    'return a[a[0] + 1];': "index 0 of 'a' is not affine",
    'return a[a[this.thread.x]];': "index 0 of 'a' is read and differs within a vector",
    'return a[p * p];': "index 0 of 'a' is not affine",
    'return a[1 - p];': "index 0 of 'a' falls as a variable rises",
    'let s = 0;\n  if (f === 0) { s = 1; } else { s = 2; }\n  return s;': 'a branch tests an integer',
    'return g;': "'g' is not a number",
    'f = 2;\n  return f;': "'f' cannot be assigned",
    'let s = 0;\n  if (this.thread.x === 0) { s = 1; } else { s = 2; }\n  return s;':
      'a branch along x differs within a vector',
  };
  for (const [text, message] of Object.entries(named)) {
    t.throws(() => compile(body(text)), { name: 'KernelError', message }, text);
    t.throws(() => compile(body(text)), KernelError);
  }
});
