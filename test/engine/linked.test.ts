/** Plans over one heap: where results are written, what is copied, what several threads share. */
import '../support/quick.js';
import t from 'tap';
import { Heap, MAX_PAGES } from '../../src/engine/heap.js';
import { Engine, newHeap } from '../../src/engine/index.js';
import { LinkedExecutable, LinkedRuntime } from '../../src/engine/linked-executable.js';
import { Graph } from '../../src/math/graph/node.js';
import { contract } from '../../src/math/ops/contract.js';
import { add, multiply } from '../../src/math/ops/elementwise.js';

const N = 6;

/** y = x + x, again as z, and the input itself. */
function program() {
  const graph = new Graph();
  const x = graph.input('x', [N]);
  const y = add(x, x);
  return {
    graph,
    outputs: new Map([
      ['y', y],
      ['z', y],
      ['x', x],
    ]),
  };
}

const given = Float32Array.from({ length: N }, (_, i) => i + 1);
const doubled = Array.from(given, value => 2 * value);

t.test("results are written to the caller's array, or are valid until the next run", async t => {
  const engine = await Engine.start('webasm');
  t.teardown(() => engine.close());
  const executable = engine.compile(program());
  const free = await executable.run({ x: given });
  t.same(
    [free.y, free.z, free.x].map(array => Array.from(array)),
    [doubled, doubled, Array.from(given)],
  );
  const [y, z, x] = [0, 1, 2].map(() => engine.heap.allocate(N));
  const placed = await executable.run({ x: given }, { y, z, x });
  t.same(
    [y, z, x].map(array => Array.from(array)),
    [doubled, doubled, Array.from(given)],
  );
  t.equal(placed.y, y);
  y.fill(0);
  t.same(Array.from((await executable.run({ x: given })).y), doubled);
  t.same(Array.from(y), Array(N).fill(0), 'the next run writes nowhere else');
});

t.test('inputs are in the heap or are copied to it', async t => {
  const engine = await Engine.start('webasm');
  t.teardown(() => engine.close());
  const executable = engine.compile(program());
  const inside = engine.heap.allocate(2 * N);
  inside.set(given, N);
  const { y } = await executable.run({ x: inside.subarray(N) });
  t.same(Array.from(y), doubled, 'a part of an array is read where it lies');
  await t.rejects(executable.run({ x: given.subarray(1) }), { message: "input 'x' needs 6 numbers, got 5" });
  await t.rejects(executable.run({}), { message: "input 'x' needs 6 numbers, got undefined" });
  await t.rejects(executable.run({ x: 1 }), { message: "input 'x' needs 6 numbers, got one" });
});

t.test('a program in two parts computes what it computes as a whole', async t => {
  const engine = await Engine.start('webasm');
  t.teardown(() => engine.close());
  const graph = new Graph();
  const [x, late] = [graph.input('x', [N]), graph.input('late', [N])];
  const [square, sum] = [multiply(x, x), add(x, x)];
  const product = multiply(square, sum);
  const outputs = new Map([
    ['sum', sum],
    ['product', product],
    ['rest', add(multiply(square, late), product)],
  ]);
  const executable = engine.compile({ graph, outputs, first: new Set(['sum', 'product']) });
  const other = engine.compile(program());
  const values = [given, doubled].map(numbers => ({ x: Float32Array.from(numbers), late: given }));
  const whole = [];
  for (const each of values) whole.push(Array.from((await executable.run(each)).rest));
  const runs = values.map(({ x, late }) => {
    const [sum, product] = [engine.heap.allocate(N), engine.heap.allocate(N)];
    return { x, late, into: { sum, product }, kept: engine.heap.allocate(executable.keptSize ?? 0) };
  });
  for (const { x, into, kept } of runs) {
    const { product, rest } = await executable.run({ x }, into, { isFirst: true, kept });
    t.same(
      Array.from(product),
      Array.from(x, value => 2 * value ** 3),
    );
    t.equal(rest, undefined, 'the rest has not run');
  }
  await other.run({ x: given });
  for (const [i, { x, late, into, kept }] of runs.entries()) {
    const { rest } = await executable.run({ x, late }, into, { isFirst: false, kept });
    t.same(Array.from(rest), whole[i]);
  }
  await t.rejects(executable.run({ x: given }, {}, { isFirst: false, kept: runs[0].kept }), {
    message: "input 'late' needs 6 numbers, got undefined",
  });
});

t.test('a plan is compiled once and runs on the heap of any thread', async t => {
  const engine = await Engine.start('webasm');
  t.teardown(() => engine.close());
  const { heap } = engine;
  const graph = new Graph();
  const [a, b] = [graph.input('a', [5, 7]), graph.input('b', [7, 8])];
  const product = contract('ik,kj->ij', a, b);
  const squares = { graph, outputs: new Map([['y', multiply(product, product)]]) };
  const linked = engine.link(squares);
  t.equal(engine.link(squares), linked);
  // another thread is given the memory and the plan, and makes instances of its own
  const threads = [heap, new Heap(heap.memory)].map(
    each => new LinkedExecutable(LinkedRuntime.ofHeap(each), linked),
  );
  const values = { a: new Float32Array(35).fill(2), b: new Float32Array(56).fill(0.5) };
  for (const executable of threads) t.same(Array.from((await executable.run(values)).y), Array(40).fill(49));
});

t.test('what depends on parameters alone is computed once', async t => {
  const engine = await Engine.start('webasm');
  t.teardown(() => engine.close());
  const { heap } = engine;
  const graph = new Graph();
  const [x, w] = [graph.input('x', [1, 3]), graph.input('w', [2, 3], { isParameter: true })];
  const outputs = new Map([['y', contract('bk,jk->bj', x, w)]]);
  const linked = engine.link({ graph, outputs });
  const [kept, computed] = [true, false].map(
    keeps => new LinkedExecutable(LinkedRuntime.ofHeap(heap, keeps), linked),
  );
  const [one, other] = [1, 2].map(value => heap.allocate(6).fill(value));
  const values = { x: Float32Array.of(1, 2, 3) };
  const of = async (executable: LinkedExecutable, w: Float32Array) =>
    Array.from((await executable.run({ ...values, w })).y);
  t.same(await of(kept, one), [6, 6]);
  t.same(await of(kept, other), [12, 12], 'other parameters');
  one.fill(5);
  t.same(await of(kept, one), [6, 6], 'is not computed again');
  t.same(await of(computed, one), [30, 30]);
});

t.test('a heap grows, and its arrays do not overlap', t => {
  const heap = newHeap();
  const joined = new Heap(heap.memory);
  const arrays = Array.from({ length: 300 }, (_, i) => (i % 2 ? heap : joined).allocate(1000 + i));
  arrays.forEach((array, i) => void array.fill(i));
  arrays.forEach((array, i) => {
    t.ok(array.byteOffset % 64 === 0 && array.every(value => value === i), `array ${i} of ${array.length}`);
  });
  const span = heap.spanOf(arrays[7]);
  t.same(span, { at: arrays[7].byteOffset, length: 1007 });
  t.same(Array.from(joined.open(span as { at: number; length: number })).slice(0, 2), [7, 7]);
  t.equal(heap.spanOf(new Float32Array(4)), undefined);
  t.throws(() => heap.allocate(MAX_PAGES * 65536), { message: /more than 4 GiB/ });
  t.end();
});
