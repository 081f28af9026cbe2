/**
 * Machine code: encodings of x86-64 against GNU's disassembler (test/fixtures/x86), and systems
 * that forbid it.
 */
import t from 'tap';
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { join } from 'node:path';
import { Engine } from '../../src/engine/index.js';
import { hasFeature } from '../../src/engine/machine-code.js';
import { measuredWidth } from '../../src/engine/width.js';
import { type ArithmeticName, Assembler } from '../../src/engine/x86.js';
import { foreignFunctions } from '../../src/host/node.js';
import { packageRoot } from '../../src/util/root.js';

const file = join(packageRoot, 'test', 'fixtures', 'x86', 'disassembly.json');
const disassembly = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;

type Emit = (x86: Assembler) => void;

const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const wide = (register: number) => NAMES[register] ?? `r${register}`;
const half = (register: number) => (register < 8 ? `e${NAMES[register].slice(1)}` : `r${register}d`);
const hex = (value: number) => `${value < 0 ? '-' : '+'}0x${Math.abs(value).toString(16)}`;
const at = (base: number, offset: number) => `[${wide(base)}${hex(offset)}]`;
const bits64 = (value: number) => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;

const GENERAL = [0, 1, 3, 5, 6, 7, 8, 12, 13, 15];
const VECTORS = [0, 7, 8, 15, 16, 31];
/** Short and long, counted in bytes, floats and vectors. */
const OFFSETS = [0, 4, 64, 65, -4, 508, 512, -8192, 8128, 8192, 1_000_000];

function* pairs<T>(values: readonly T[]): Generator<[T, T]> {
  for (const [i, one] of values.entries()) yield [one, values[(i * 7 + 3) % values.length]];
}

function* instructions(): Generator<[string, Emit]> {
  for (const [to, from] of pairs(GENERAL)) {
    yield [`add ${wide(to)},${wide(from)}`, x86 => x86.add(to, from)];
    yield [`imul ${wide(to)},${wide(from)},0x12345`, x86 => x86.multiply(to, from, 0x12345)];
    yield [`push ${wide(to)}`, x86 => x86.push(to)];
    yield [`pop ${wide(to)}`, x86 => x86.pop(to)];
    yield [`mov ${half(to)},0x7654321`, x86 => x86.set(to, 0x7654321)];
    yield [`add ${wide(to)},${bits64(-64)}`, x86 => x86.addConstant(to, -64)];
    yield [`cmp ${wide(to)},0x12345`, x86 => x86.compare(to, 0x12345)];
    for (const offset of OFFSETS) {
      const memory = { base: from, offset };
      yield [`mov ${half(to)},DWORD PTR ${at(from, offset)}`, x86 => x86.load32(to, memory)];
      yield [`mov ${wide(to)},QWORD PTR ${at(from, offset)}`, x86 => x86.load64(to, memory)];
      yield [`mov QWORD PTR ${at(from, offset)},${wide(to)}`, x86 => x86.store64(memory, to)];
      yield [`prefetcht1 BYTE PTR ${at(from, offset)}`, x86 => x86.prefetch(memory, 2)];
    }
  }
  yield ['vzeroupper; ret', x86 => x86.return()];
  yield ['kmovw k1,eax', x86 => x86.maskFromEax(1)];
  for (const [a, b] of pairs(VECTORS)) {
    const c = VECTORS[(a + b) % VECTORS.length];
    yield [`vmovaps zmm${a},zmm${b}`, x86 => x86.moveVector(a, b)];
    yield [`vmovaps zmm${a}{k2}{z},zmm${b}`, x86 => x86.moveVector(a, b, 2)];
    yield [`vpbroadcastd zmm${a},eax`, x86 => x86.splatEax(a)];
    yield [`vcmpnlt_uqps k2,zmm${a},zmm${b}`, x86 => x86.notLess(2, a, b)];
    for (const [i, base] of GENERAL.entries()) {
      const offset = OFFSETS[i];
      const memory = { base, offset };
      const vector = `ZMMWORD PTR ${at(base, offset)}`;
      yield [`vmovups zmm${a},${vector}`, x86 => x86.loadVector(a, memory)];
      yield [`vmovups zmm${a}{k1}{z},${vector}`, x86 => x86.loadVector(a, memory, 1)];
      yield [`vmovups ${vector},zmm${a}`, x86 => x86.storeVector(memory, a)];
      yield [`vmovups ${vector}{k1},zmm${a}`, x86 => x86.storeVector(memory, a, 1)];
      yield [`vbroadcastss zmm${a},DWORD PTR ${at(base, offset)}`, x86 => x86.splat(a, memory)];
      const name: ArithmeticName = i % 2 === 0 ? 'vfmadd231ps' : 'vfnmadd231ps';
      yield [`${name} zmm${a},zmm${b},${vector}`, x86 => x86.arithmetic(name, a, b, memory)];
      const splat = `DWORD BCST ${at(base, offset)}`;
      yield [`${name} zmm${a},zmm${b},${splat}`, x86 => x86.arithmetic(name, a, b, memory, true)];
    }
    for (const name of ['vaddps', 'vsubps', 'vmulps', 'vdivps', 'vpandd', 'vfmadd231ps'] as const)
      yield [`${name} zmm${a},zmm${b},zmm${c}`, x86 => x86.arithmetic(name, a, b, c)];
  }
}

function hexOf(emit: Emit): string {
  const x86 = new Assembler();
  emit(x86);
  return Buffer.from(x86.bytes).toString('hex');
}

t.test('each instruction is what its name says', async t => {
  const all = [...instructions()].map(([text, emit]) => ({ code: hexOf(emit), text }));
  const wrong = all.filter(({ code, text }) => disassembly[code] !== text);
  t.same(
    wrong.map(one => ({ ...one, found: disassembly[one.code] })),
    [],
  );
  t.ok(all.length > 500);
});

t.test('jumps lead to their labels, forwards and backwards', async t => {
  const x86 = new Assembler();
  const [start, end] = [x86.label(), x86.label()];
  x86.here(start);
  x86.jumpIfZero(end);
  x86.jumpIfLess(start);
  x86.countDown(1, start);
  x86.here(end);
  const code = Buffer.from(x86.bytes).toString('hex');
  t.equal(disassembly[code], 'je 0x19; jl 0x0; add rcx,0xffffffffffffffff; jne 0x0');
  const open = new Assembler();
  open.jumpIfZero(open.label());
  t.throws(() => open.bytes, { message: 'a jump has no target' });
});

t.test('a package that does not load says why, and how to install it', async t => {
  const loader = Module as unknown as { _load(): unknown };
  const { _load: load } = loader;
  loader._load = () => {
    throw new Error('no native module\nfor this system');
  };
  t.teardown(() => {
    loader._load = load;
  });
  const message = "the optional package 'koffi' does not load (no native module): npm install koffi";
  t.throws(foreignFunctions, { message });
});

interface Library {
  func(definition: string): unknown;
}

const skip = !hasFeature() && 'the processor has no AVX-512';

t.test('a system that forbids executable memory keeps narrower vectors', { skip }, async t => {
  const koffi = createRequire(import.meta.url)('koffi') as { load(file: null): Library };
  const { load } = koffi;
  koffi.load = file => {
    const library = load(file);
    const func = (text: string) => (text.includes('mprotect') ? () => -1 : library.func(text));
    return { func };
  };
  t.teardown(() => {
    koffi.load = load;
  });
  const engine = await Engine.start('webasm', { width: 512 });
  const { width } = measuredWidth();
  t.ok(width < 512);
  const why = 'a policy of the system forbids executable memory';
  t.equal(engine.narrowed, `no vectors of 512 bits: ${why}; the run uses ${width} bits`);
  await engine.close();
});
