/**
 * The intermediate representation between a kernel's tree and its code, and passes over it.
 * Integers are affine in named variables, every read has an address, and it is known along which
 * axes of the output each value varies.
 */
import type { Axis } from './language.js';

/**
 * constant + sum of coefficient * variable. Variables are the axes, loop variables and integer
 * arguments.
 */
export interface Affine {
  readonly constant: number;
  readonly terms: ReadonlyMap<string, number>;
}

/** Whether a value differs between neighbours along x, between neighbours along y. */
export interface Variation {
  readonly x: boolean;
  readonly y: boolean;
}

export type UnaryOperation = 'negate' | 'abs' | 'sqrt' | 'exp' | 'log' | 'tanh';
export type BinaryOperation = 'add' | 'subtract' | 'multiply' | 'divide' | 'min' | 'max';

export type Value = { readonly varies: Variation } & (
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'scalar'; readonly name: string }
  | { readonly kind: 'integer'; readonly value: Affine }
  /** Element `element` of `array`, plus the offsets that `gathered` adds. */
  | {
      readonly kind: 'load';
      readonly array: string;
      readonly element: Affine;
      readonly gathered: readonly GatheredIndex[];
    }
  | { readonly kind: 'local'; readonly local: number }
  | { readonly kind: 'unary'; readonly operation: UnaryOperation; readonly operand: Value }
  | {
      readonly kind: 'binary';
      readonly operation: BinaryOperation;
      readonly left: Value;
      readonly right: Value;
    }
  /** addend + left * right, or addend - left * right if `negated`. */
  | {
      readonly kind: 'multiply-add';
      readonly negated: boolean;
      readonly left: Value;
      readonly right: Value;
      readonly addend: Value;
    }
);

export type Load = Extract<Value, { kind: 'load' }>;

/**
 * An index that is itself read from an array: an integer that was stored as a float. It does not
 * vary along x.
 */
export interface GatheredIndex {
  readonly index: Load;
  /** Elements from one index to the next. */
  readonly stride: number;
}

export type Instruction =
  | { readonly kind: 'set'; readonly local: number; readonly value: Value }
  | {
      readonly kind: 'loop';
      readonly variable: string;
      readonly from: number;
      readonly to: number;
      readonly body: readonly Instruction[];
    }
  | {
      readonly kind: 'branch';
      readonly selector: Affine;
      readonly cases: readonly {
        readonly numbers: readonly number[];
        readonly body: readonly Instruction[];
      }[];
      readonly otherwise: readonly Instruction[];
    };

export interface KernelIr {
  /** Extents of the output: x (contiguous), y, z. */
  readonly extents: Readonly<Record<Axis, number>>;
  /** How each local varies, which determines how many vectors it needs. */
  readonly locals: readonly Variation[];
  /** The names of integer arguments that indices depend on. */
  readonly integers: ReadonlySet<string>;
  readonly body: readonly Instruction[];
  readonly result: Value;
}

/** The element of the output that is computed. */
export function outputElement({ x, y }: KernelIr['extents']): Affine {
  return {
    constant: 0,
    terms: new Map([
      ['x', 1],
      ['y', x],
      ['z', x * y],
    ]),
  };
}

export function coefficient(affine: Affine, variable: string): number {
  return affine.terms.get(variable) ?? 0;
}

export function addAffine(a: Affine, b: Affine, factor = 1): Affine {
  const terms = new Map(a.terms);
  for (const [name, value] of b.terms) {
    const total = (terms.get(name) ?? 0) + factor * value;
    if (total === 0) terms.delete(name);
    else terms.set(name, total);
  }
  return { constant: a.constant + factor * b.constant, terms };
}

export function scaleAffine({ constant, terms }: Affine, factor: number): Affine {
  if (factor === 0) return { constant: 0, terms: new Map() };
  return {
    constant: constant * factor,
    terms: new Map([...terms].map(([name, value]) => [name, value * factor])),
  };
}

function operandsOf(value: Value): readonly Value[] {
  switch (value.kind) {
    case 'unary':
      return [value.operand];
    case 'binary':
      return [value.left, value.right];
    case 'multiply-add':
      return [value.left, value.right, value.addend];
    default:
      return [];
  }
}

/** `value` and all that it is computed from, in order. */
function nested(value: Value): readonly Value[] {
  return [value, ...operandsOf(value).flatMap(nested)];
}

/** Every load in `value`, except those of gathered indices. */
export function loadsOf(value: Value): readonly Load[] {
  return nested(value).filter(node => node.kind === 'load');
}

/** Every assignment of a local, in order. */
export function assignments(
  instructions: readonly Instruction[],
): readonly Extract<Instruction, { kind: 'set' }>[] {
  return instructions.flatMap(instruction => {
    if (instruction.kind === 'set') return [instruction];
    if (instruction.kind === 'loop') return assignments(instruction.body);
    return [...instruction.cases.map(({ body }) => body), instruction.otherwise].flatMap(assignments);
  });
}

/** Every value that `body` and `result` compute, nested ones included. */
export function valuesOf(body: readonly Instruction[], result: Value): readonly Value[] {
  return [...assignments(body).map(({ value }) => value), result].flatMap(nested);
}

/**
 * Fuses a product and its sum into one multiply-add. All sums of a kernel are fused alike, in tiles
 * and tails, so that an element's position does not change its result.
 */
export function fuseMultiplyAdd(ir: KernelIr): KernelIr {
  return { ...ir, body: ir.body.map(fuseInInstruction), result: fuseInValue(ir.result) };
}

function fuseInInstruction(instruction: Instruction): Instruction {
  switch (instruction.kind) {
    case 'set':
      return { ...instruction, value: fuseInValue(instruction.value) };
    case 'loop':
      return { ...instruction, body: instruction.body.map(fuseInInstruction) };
    case 'branch':
      return {
        ...instruction,
        cases: instruction.cases.map(branch => ({ ...branch, body: branch.body.map(fuseInInstruction) })),
        otherwise: instruction.otherwise.map(fuseInInstruction),
      };
  }
}

/** Loads and other leaves remain the same objects, by which later passes identify them. */
function fuseInValue(value: Value): Value {
  if (value.kind === 'unary') return { ...value, operand: fuseInValue(value.operand) };
  if (value.kind !== 'binary') return value;
  const left = fuseInValue(value.left);
  const right = fuseInValue(value.right);
  const { operation, varies } = value;
  if (operation === 'add' || operation === 'subtract') {
    if (isProduct(right)) return multiplyAdd(right, left, operation === 'subtract', varies);
    if (isProduct(left) && operation === 'add') return multiplyAdd(left, right, false, varies);
  }
  return { ...value, left, right };
}

type Product = Extract<Value, { kind: 'binary' }>;

function isProduct(value: Value): value is Product {
  return value.kind === 'binary' && value.operation === 'multiply';
}

function multiplyAdd(
  { left, right }: Product,
  addend: Value,
  negated: boolean,
  varies: Value['varies'],
): Value {
  return { kind: 'multiply-add', negated, left, right, addend, varies };
}

/** The name of the output as an input array; no argument has it. */
export const OUTPUT = '(output)';

const FUNCTIONS: ReadonlySet<string> = new Set(['exp', 'log', 'tanh']);

/**
 * Splits a kernel after its last loop. Sums fill all registers of a tile; functions computed on
 * them there would spill. Instead the sums of a column of tiles are stored in the output, which
 * stays in the nearest cache, and a second pass finishes them vector by vector: a gate of the
 * reference experiment takes 75 instead of 99 microseconds. If there is nothing to finish, the sums
 * are the whole kernel.
 *
 * @param isSlow whether the values after the loop want a second pass; by default, functions
 */
export function splitAfterSums(
  ir: KernelIr,
  isSlow = (values: readonly Value[]) =>
    values.some(value => value.kind === 'unary' && FUNCTIONS.has(value.operation)),
): { sums: KernelIr; finish?: KernelIr } {
  const last = ir.body.findLastIndex(instruction => instruction.kind === 'loop');
  const [head, tail] = [ir.body.slice(0, last + 1), ir.body.slice(last + 1)];
  const values = valuesOf(tail, ir.result);
  if (last < 0 || !isSlow(values)) return { sums: ir };
  const read = new Set(values.flatMap(node => (node.kind === 'local' ? [node.local] : [])));
  const carried = new Set(assignments(head).flatMap(({ local }) => (read.has(local) ? [local] : [])));
  if (carried.size !== 1) return { sums: ir };
  const [local] = carried;
  const everywhere = { x: true, y: true };
  const stored: Load = {
    kind: 'load',
    array: OUTPUT,
    element: outputElement(ir.extents),
    gathered: [],
    varies: everywhere,
  };
  const locals = ir.locals.map((varies, i) => (i === local ? everywhere : varies));
  return {
    sums: { ...ir, body: head, result: { kind: 'local', local, varies: ir.locals[local] } },
    finish: { ...ir, locals, body: [{ kind: 'set', local, value: stored }, ...tail] },
  };
}
