/**
 * Fuses a product and its sum into one multiply-add. All sums of a kernel are fused alike, in tiles
 * and tails, so that an element's position does not change its result.
 */
import type { Instruction, KernelIr, Value } from './ir.js';

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
        cases: instruction.cases.map(one => ({ ...one, body: one.body.map(fuseInInstruction) })),
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
