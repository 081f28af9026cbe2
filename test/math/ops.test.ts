/**
 * Every op held to the same tests: its gradient against differences of its float64 reference, its
 * kernel against the reference on every backend, its shape rule; then random graphs of all ops,
 * planned and run.
 */

import fc from 'fast-check';
import t from 'tap';
import type { Value } from '../../src/engine/backend.js';
import type { Backend } from '../../src/engine/backend-names.js';
import { Engine } from '../../src/engine/index.js';
import { checkKernels } from '../../src/engine/link.js';
import { makePlan, type Plan } from '../../src/engine/plan.js';
import { SMALLEST_RESULT } from '../../src/engine/simd-tile-code.js';
import { differentiate } from '../../src/math/graph/differentiate.js';
import { interpret } from '../../src/math/graph/interpret.js';
import { Graph, type Node } from '../../src/math/graph/node.js';
import { sizeOf, type Tensor } from '../../src/math/graph/shape.js';
import { broadcast, sum } from '../../src/math/ops/broadcast.js';
import { contract } from '../../src/math/ops/contract.js';
import { activate, add, maximum, polynomial, relu, scale } from '../../src/math/ops/elementwise.js';
import { gather, gatherOp } from '../../src/math/ops/gather.js';
import { addAll, ops } from '../../src/math/ops/index.js';
import { logSumExp } from '../../src/math/ops/log_sum_exp.js';
import { select, selectOp, stack } from '../../src/math/ops/stack.js';
import { transpose } from '../../src/math/ops/transpose.js';
import { RandomStream } from '../../src/util/random.js';
import { testedEngines } from '../support/backends.js';
import { type Extents, inputOf, type OpCase, type OpInput, sample, suites } from '../support/op-cases.js';
import { type GraphExtents, graphInputs, instructions, makeNodes } from '../support/random-graph.js';

const WIDTHS = [1, 2, 3, 4, 5, 7, 8, 9, 16, 28, 33];
const SEED = 1;

t.test('every op has a suite, and every suite has an op', async t => {
  t.same(Object.keys(suites).sort(), ops.map(({ name }) => name).sort());
});

type Values = Record<string, Float64Array>;

/** sum over i of sum(results[i] * cotangents[i]): what `differentiate` differentiates. */
function total(results: readonly Node[], cotangents: readonly Node[], values: Values): number {
  const known = interpret([...results, ...cotangents], values);
  let sum = 0;
  results.forEach((result, i) => {
    const weights = known.get(cotangents[i])?.data as Float64Array;
    known.get(result)?.data.forEach((value, at) => {
      sum += value * weights[at];
    });
  });
  return sum;
}

const STEP = 1e-5;

/**
 * Throws where a gradient of the total is not the central difference. Gives the gradients, null
 * where there is none.
 */
function checkGradient(
  results: readonly Node[],
  cotangents: readonly Node[],
  wrt: readonly Node[],
  values: Values,
) {
  const gradients = differentiate(results, cotangents, wrt, addAll);
  const known = interpret(
    gradients.filter(gradient => gradient !== null),
    values,
  );
  wrt.forEach((input, i) => {
    const gradient = gradients[i] && known.get(gradients[i])?.data;
    const at = values[input.name as string];
    at.forEach((value, element) => {
      at[element] = value + STEP;
      const above = total(results, cotangents, values);
      at[element] = value - STEP;
      const below = total(results, cotangents, values);
      at[element] = value;
      const expected = (above - below) / (2 * STEP);
      const actual = gradient ? gradient[element] : 0;
      if (!(Math.abs(actual - expected) <= 1e-6 * Math.max(Math.abs(expected), 0.1))) {
        throw new Error(`d/d${input.name}[${element}]: ${actual}, differences give ${expected}`);
      }
    });
  });
  return gradients;
}

const small: Extents = { last: fc.integer({ min: 1, max: 4 }), other: fc.integer({ min: 1, max: 3 }) };

for (const { name } of ops) {
  t.test(`gradient of ${name}, of first and second order`, async t => {
    const property = fc.property(suites[name].cases(small), fc.nat(), ({ inputs, build, text }, seed) => {
      const random = RandomStream.of(seed, text);
      const graph = new Graph();
      const nodes = inputs.map((input, i) => inputOf(graph, `x${i}`, input));
      const result = build(nodes);
      if (result.op?.name !== name) throw new Error(`the case makes ${result.op?.name}, not ${name}`);
      const cotangent = graph.input('cotangent', result.shape);
      const values: Values = {
        cotangent: new Float64Array(sizeOf(result.shape)).map(() => random.uniform()),
      };
      inputs.forEach((input, i) => {
        values[`x${i}`] = Float64Array.from(sample(input, random));
      });
      // classes and symbols have no gradient; a scalar is an argument of kernels and has none
      // either
      const wrt = nodes.filter(
        ({ shape }, i) =>
          shape.length > 0 && typeof inputs[i].domain !== 'object' && !inputs[i].withoutGradient,
      );
      const first = checkGradient([result], [cotangent], wrt, values).filter(gradient => gradient !== null);
      const second = first.map((gradient, i) => graph.input(`cotangent${i}`, gradient.shape));
      second.forEach((node, i) => {
        values[`cotangent${i}`] = new Float64Array(sizeOf(node.shape)).map(() => random.uniform());
      });
      checkGradient(first, second, [...wrt, cotangent], values);
    });
    t.doesNotThrow(() => fc.assert(property, { numRuns: 60, seed: SEED }));
  });
}

t.test('gradients where a function has a kink', async t => {
  const graph = new Graph();
  const [a, b] = ['a', 'b'].map(name => graph.input(name, [5]));
  const ones = graph.input('ones', [5]);
  const gradients = (result: Node, values: Values) => {
    const wrt = differentiate([result], [ones], [a, b], addAll).filter(node => node !== null);
    const known = interpret(wrt, { ...values, ones: new Float64Array(5).fill(1) });
    return wrt.map(node => [...(known.get(node)?.data ?? [])]);
  };
  const values = { a: Float64Array.of(-1, -0, 0, 2 ** -126, 3), b: Float64Array.of(-1, 0, -1, 1, -3) };
  t.same(gradients(relu(a), values), [[0, 0, 0, 1, 1]], 'relu has none at zero, as in torch');
  t.same(
    gradients(maximum(a, b), values),
    [
      [1, 1, 1, 0, 1],
      [0, 0, 0, 1, 0],
    ],
    'that of equal numbers goes to the first',
  );
});

/**
 * Values that kernels get wrong more easily than ordinary ones. NaN and infinity only where a
 * backend promises them.
 */
const FILLS = ['ordinary', 'zeros', 'denormals', 'large', 'not finite'] as const;
type Fill = (typeof FILLS)[number];

function fill(kind: Fill, input: OpInput, random: RandomStream, infinities: boolean): Float32Array {
  const values = sample(input, random);
  const { domain } = input;
  // classes stay classes, and a divisor stays away from zero
  if (kind === 'ordinary' || typeof domain === 'object') return values;
  if (kind === 'large') return values.map(value => value * 2 ** 58);
  if (kind === 'denormals') return domain === 'nonzero' ? values : values.map(value => value * 2 ** -130);
  if (kind === 'zeros') {
    return domain === 'nonzero' ? values : values.map(value => (value < 0 && domain !== 'positive' ? -0 : 0));
  }
  const special = infinities
    ? [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    : [Number.NaN];
  return values.map(value => (random.uniform() < 0.2 ? special[random.integer(special.length)] : value));
}

interface Prepared {
  readonly name: string;
  readonly one: OpCase;
  readonly nodes: readonly Node[];
  readonly result: Node;
}

/**
 * A case for every width and some whose extents are all random: all in one program, since each
 * costs a compilation. On webgpu every second: widths tell vectors of different fill apart, which
 * WebGPU does not have.
 */
function prepare(
  name: string,
  backend: Backend,
): { graph: Graph; outputs: Map<string, Node>; cases: Prepared[] } {
  const other = fc.integer({ min: 1, max: 11 });
  const widths = [
    ...WIDTHS.map(width => fc.constant(width)),
    ...WIDTHS.map(() => fc.constantFrom(...WIDTHS)),
  ].filter((_, i) => backend !== 'webgpu' || i % 2 === 0);
  const graph = new Graph();
  const cases = widths.map((last, i): Prepared => {
    const [one] = fc.sample(suites[name].cases({ last, other }), { numRuns: 1, seed: SEED + i });
    const nodes = one.inputs.map((input, j) => inputOf(graph, `x${i}_${j}`, input));
    return { name: `y${i}`, one, nodes, result: one.build(nodes) };
  });
  return { graph, outputs: new Map(cases.map(({ name, result }) => [name, result])), cases };
}

const SMALLEST_NORMAL = 2 ** -126;
/** What a backend may store as zero: GPUs flush denormals, and our webasm code a little more. */
const VANISHING: Readonly<Record<Backend, number>> = {
  webgpu: SMALLEST_NORMAL,
  webasm: SMALLEST_RESULT,
  cpu: 2 ** -149,
  'gpu.js': 2 ** -149,
};
const flushed = (values: Float32Array) =>
  values.map(value => (Math.abs(value) < SMALLEST_NORMAL ? 0 : value));

/** The first element that is wrong, in words. On webgpu denormal operands may be flushed too. */
function firstError(
  { one, result }: Prepared,
  actual: Float32Array,
  given: readonly Float32Array[],
  backend: Backend,
): string | null {
  const suite = suites[result.op?.name as string];
  const references = (backend === 'webgpu' ? [given, given.map(flushed)] : [given]).map(values => {
    const tensors = values.map(
      (data, i): Tensor => ({ shape: one.inputs[i].shape, data: Float64Array.from(data) }),
    );
    const graph = Object.fromEntries(values.map((data, i) => [`x${i}`, data]));
    const fresh = new Graph();
    const root = one.build(one.inputs.map((input, i) => inputOf(fresh, `x${i}`, input)));
    const expected = interpret([root], graph).get(root)?.data as Float64Array;
    // contract lays its operands out anew; the letters of the magnitude's reference are those of
    // its own operands
    const operands = interpret(root.inputs, graph);
    const inputs = root.inputs.map(input => operands.get(input) as Tensor);
    return {
      expected,
      magnitude: suite.magnitude?.(root, inputs.length ? inputs : tensors) ?? expected.map(Math.abs),
    };
  });
  for (let i = 0; i < actual.length; i++) {
    const fits = references.some(({ expected, magnitude }) => {
      const rounded = Math.fround(expected[i]);
      if (Object.is(rounded, actual[i]) || rounded === actual[i]) return true;
      return Math.abs(actual[i] - expected[i]) <= suite.tolerance * magnitude[i] + VANISHING[backend];
    });
    if (!fits) return `${one.text}: element ${i} is ${actual[i]}, not ${references[0].expected[i]}`;
  }
  return null;
}

const tested = await Promise.all(
  testedEngines.map(async one => ({
    ...one,
    engine: one.skip ? undefined : await Engine.start(one.backend, { width: one.width }),
  })),
);
t.teardown(async () => {
  for (const { engine } of tested) await engine?.close();
});

for (const { name, backend, skip, engine } of tested) {
  t.test(`kernels on ${name}`, { skip }, async t => {
    if (!engine) return;
    for (const { name } of ops) {
      const { graph, outputs, cases } = prepare(name, backend);
      const executable = engine.compile({ graph, outputs });
      for (const kind of FILLS) {
        if (kind === 'not finite' && backend === 'webgpu') continue;
        const random = RandomStream.of(SEED, `${name}/${kind}`);
        const given = cases.map(({ one }) =>
          one.inputs.map(input => fill(kind, input, random, !suites[name].onlyNan)),
        );
        const values: Record<string, Value> = {};
        cases.forEach(({ nodes }, i) => {
          nodes.forEach((node, j) => {
            values[node.name as string] = node.shape.length === 0 ? given[i][j][0] : given[i][j];
          });
        });
        const out = await executable.run(values);
        await engine.arrays.read(...Object.values(out));
        const errors = cases.map((one, i) => firstError(one, out[one.name], given[i], backend));
        t.same(
          errors.filter(error => error !== null),
          [],
          `${name}, ${kind} values`,
        );
      }
    }
  });
}

t.test('incompatible shapes are refused with the name of the op', async t => {
  const graph = new Graph();
  const input = (...shape: number[]) => graph.input(`x${shape}`, shape);
  const wrong: Record<string, (() => unknown)[]> = {
    activate: [
      () => activate(input(3, 2), ['tanh', 'tanh']),
      () => activate(input(2), ['tanh', 'tanh', 'tanh']),
    ],
    broadcast: [
      () => broadcast(input(2), [3, 4], [0]),
      () => broadcast(input(2), [2, 2], []),
      () => broadcast(input(2, 3), [2, 3, 4], [0]),
      () => broadcast(input(2), [3], [5]),
    ],
    contract: [
      () => contract('bk,kj->bj', input(2, 3), input(4, 5)),
      () => contract('bk,kj->bj', input(2, 3, 1), input(3, 5)),
      () => contract('bk,k->kz', input(2, 3), input(3)),
      () => contract('bk,j->bj', input(2, 3), input(4)),
    ],
    gather: [
      () => gather(input(3), input(2)),
      () => gather(input(3, 2), input(2, 1)),
      () => gather(input(3, 2, 1), input(2)),
      () => graph.apply(gatherOp, [input(3, 2)], undefined),
    ],
    log_sum_exp: [() => logSumExp(input(4)), () => logSumExp(input())],
    polynomial: [() => polynomial(input(3, 2), [[1], [2]])],
    select: [() => select(input(3, 2), 3), () => select(input(3, 2), -1), () => select(input(), 0)],
    stack: [
      () => stack([input(2), input(3)], [0, 1], 2),
      () => stack([input(2)], [0, 1], 2),
      () => stack([input(2)], [2], 2),
      () => stack([input(2)], [-1], 2),
      () => stack([input(2), input(2)], [1, 0], 2),
      () => stack([input(2), input(2)], [1, 1], 2),
    ],
    sum: [() => sum(input(2, 3), []), () => sum(input(2, 3), [])],
    transpose: [
      () => transpose(input(2, 3), [1, 1]),
      () => transpose(input(2, 3), [1]),
      () => transpose(input(2, 3), [1, 2]),
    ],
  };
  for (const [name, builders] of Object.entries(wrong)) {
    for (const build of builders)
      t.throws(build, { name: 'ShapeError', message: new RegExp(`^${name}: `) }, `${build}`);
  }
  for (const op of ops.filter(
    ({ kind, name }) => !(name in wrong) && name !== 'one_hot' && kind !== 'view',
  )) {
    const twoInputs = op.kind === 'pointwise';
    const apply = (...inputs: Node[]) => graph.apply(op, inputs, undefined as never);
    const message = new RegExp(`^${op.name}: `);
    if (twoInputs)
      t.throws(
        () => apply(input(2, 3), input(3, 2)),
        { name: 'ShapeError', message },
        `${op.name} of two shapes`,
      );
    if (twoInputs)
      t.throws(
        () => apply(input(2), input(2, 1)),
        { name: 'ShapeError', message },
        `${op.name} of two ranks`,
      );
    t.throws(
      () => apply(input(2), input(2), input(2)),
      { name: 'ShapeError', message },
      `${op.name} of three`,
    );
  }
});

t.test('only symbol inputs are indices, and only of tables with that many rows', async t => {
  const graph = new Graph();
  const table = graph.input('table', [3, 4]);
  const plan = (symbols: Node) =>
    checkKernels(makePlan({ graph, outputs: new Map([['rows', gather(table, symbols)]]) }));
  const refused = (symbols: Node, message: RegExp) =>
    t.throws(() => plan(symbols), { name: 'KernelError', message });
  const three = graph.input('three', [2], { symbols: 3 });
  t.doesNotThrow(() => plan(three));
  t.doesNotThrow(() => plan(select(graph.input('steps', [5, 2], { symbols: 3 }), 4)));
  refused(graph.input('four', [2], { symbols: 4 }), /reaches 0\.\.3, the axis has 0\.\.2/);
  refused(graph.input('numbers', [2]), /is not an integer/);
  refused(scale(three, 1), /is not an integer/);
  const again = { name: 'ShapeError', message: 'three: input already has 3 symbols' };
  t.throws(() => graph.input('three', [2]), again);
  t.throws(() => graph.input('three', [2], { symbols: 4 }), again);
});

t.test('simplification does not change results', async t => {
  const random = RandomStream.of(SEED, 'simplified');
  const graph = new Graph();
  const [a, b] = ['a', 'b'].map(name => graph.input(name, [2, 3]));
  const x = graph.input('x', [2, 3, 4]);
  const values = Object.fromEntries(
    [a, b, x].map(({ name, shape }) => [name as string, sample({ shape, domain: 'any' }, random)]),
  );
  const data = (node: Node) => interpret([node], values).get(node)?.data as Float64Array;
  const stacked = stack([a, b], [0, 2], 4);
  for (let at = 0; at < 4; at++) {
    const unsimplified = graph.apply(selectOp, [stacked], { position: at });
    t.same(data(select(stacked, at)), data(unsimplified), `select ${at} of a stack`);
  }
  t.equal(select(stacked, 2), b, 'a part of a stack is that part');
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  for (const first of orders) {
    for (const second of orders) {
      const once = interpret([transpose(x, first)], values).get(transpose(x, first)) as Tensor;
      const fresh = new Graph().input('once', once.shape);
      const apart = transpose(fresh, second);
      const expected = interpret([apart], { once: once.data }).get(apart)?.data;
      t.same(
        data(transpose(transpose(x, first), second)),
        expected,
        `transposed by ${first}, then by ${second}`,
      );
    }
  }
  const parts = [stack([a], [1], 3), stack([b], [0], 3), stack([b], [1], 3), stack([a], [2], 3)];
  t.same(data(addAll(parts)), data(parts.reduce(add)), 'parts of one stack added at once');
  t.equal(addAll([parts[0], parts[1]]).op?.name, 'stack', 'and apart they are one stack');
});

/** What holds for every plan, however it was fused. */
function checkPlan(plan: Plan): void {
  checkKernels(plan);
  const computed = new Set<Node>(plan.inputs);
  for (const { node, operands } of plan.steps) {
    const tensors = operands.filter(operand => typeof operand !== 'number');
    const early = tensors.find(operand => !computed.has(operand));
    if (early) throw new Error(`${node.op?.name} reads ${early.op?.name} before it is computed`);
    const arrays = tensors.filter(({ shape }) => shape.length > 0);
    if (new Set(arrays).size !== arrays.length) throw new Error(`${node.op?.name} reads an array twice`);
    if (arrays.length > 7) throw new Error(`${node.op?.name} reads ${arrays.length} arrays`);
    if (computed.has(node)) throw new Error(`${node.op?.name} is computed twice`);
    computed.add(node);
  }
  for (const node of plan.outputs.values())
    if (!computed.has(node)) throw new Error('a result is never computed');
}

const graphExtents: fc.Arbitrary<GraphExtents> = fc.record({
  b: fc.constantFrom(1, 2, 3, 5, 6, 9, 11),
  h: fc.constantFrom(...WIDTHS),
  g: fc.integer({ min: 1, max: 5 }),
});

interface RandomProgram {
  readonly graph: Graph;
  readonly outputs: Map<string, Node>;
  readonly inputs: Node[];
}

/**
 * What no other node of a random graph reads, and the gradients of the last, added to `program`
 * with `prefix`.
 */
function addRandom(
  { graph, outputs, inputs }: RandomProgram,
  prefix: string,
  extents: GraphExtents,
  made: Parameters<typeof makeNodes>[1],
): void {
  const own = graphInputs(graph, prefix, extents);
  inputs.push(...own);
  const nodes = makeNodes(own, made);
  const read = new Set(nodes.flatMap(node => node.inputs));
  const ends = nodes.filter(node => !read.has(node));
  ends.forEach((node, i) => void outputs.set(`${prefix}y${i}`, node));
  const last = ends.at(-1);
  if (!last) return;
  const cotangent = graph.input(`${prefix}cotangent`, last.shape);
  inputs.push(cotangent);
  const tensors = own.filter(({ shape }) => shape.length > 0);
  differentiate([last], [cotangent], tensors, addAll).forEach((gradient, i) => {
    if (gradient) outputs.set(`${prefix}g${i}`, gradient);
  });
}

const emptyProgram = (): RandomProgram => ({ graph: new Graph(), outputs: new Map(), inputs: [] });

function planOf(extents: GraphExtents, made: Parameters<typeof makeNodes>[1]): Plan {
  const program = emptyProgram();
  addRandom(program, '', extents, made);
  return makePlan(program);
}

t.test('plans of random graphs stay within the limits', async t => {
  const property = fc.property(graphExtents, instructions, (extents, made) => {
    checkPlan(planOf(extents, made));
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: SEED }));
});

t.test('long sums are split into kernels that read at most as many arrays as WebGPU guarantees', async t => {
  for (const count of [7, 8, 9, 40]) {
    const graph = new Graph();
    const [terms, factors] = ['x', 'w'].map(name =>
      Array.from({ length: count }, (_, i) => graph.input(`${name}${i}`, [3, 3])),
    );
    const products = terms.map((x, i) => contract('bk,kj->bj', x, factors[i]));
    const outputs = new Map([
      ['sum', addAll(terms)],
      ['products', addAll(products)],
    ]);
    t.doesNotThrow(() => checkPlan(makePlan({ graph, outputs })), `${count} terms`);
  }
});

t.test('random graphs and their gradients agree with the references', async t => {
  const programs = [0, 1, 2, 3].map(group => {
    const program = emptyProgram();
    const samples = fc.sample(fc.tuple(graphExtents, instructions), { numRuns: 20, seed: SEED + group });
    samples.forEach(([extents, made], i) => void addRandom(program, `${group}.${i}.`, extents, made));
    return program;
  });
  for (const [group, program] of programs.entries()) {
    checkPlan(makePlan(program));
    const random = RandomStream.of(SEED, `graphs ${group}`);
    const values = Object.fromEntries(
      program.inputs.map(({ name, shape, symbols }) => {
        const classes = name?.startsWith('class') ? { classes: 4 } : 'any';
        const domain = symbols === undefined ? classes : { symbols };
        return [name as string, sample({ shape, domain }, random)];
      }),
    );
    const expected = interpret([...program.outputs.values()], values);
    for (const { name: engineName, backend, engine } of tested) {
      if (!engine) continue;
      // a software adapter takes longer to compile one group than the others take for all of them
      if (backend === 'webgpu' && group > 0) continue;
      const given = Object.fromEntries(
        program.inputs.map(({ name, shape }) => {
          const value = values[name as string];
          return [name, shape.length === 0 ? value[0] : value];
        }),
      );
      const out = await engine.compile(program).run(given);
      await engine.arrays.read(...Object.values(out));
      const worst = [...program.outputs].map(([name, node]) => {
        const reference = expected.get(node)?.data as Float64Array;
        const scale = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
        const error = out[name].reduce((most, v, i) => Math.max(most, Math.abs(v - reference[i])), 0);
        return { name, error: error / scale };
      });
      t.same(
        worst.filter(({ error }) => !(error < 2e-5)),
        [],
        `group ${group} on ${engineName}`,
      );
      t.equal(engine.narrowed, undefined, 'wider code is right');
    }
  }
});
