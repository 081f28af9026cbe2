/**
 * Contraction: a product and the sum it goes into become one multiply-add. Every sum of a kernel is contracted alike, in tiles and
 * tails, so that where an element lies does not change it.
 */
import type { Instruction, KernelIr, Value } from './ir.js';

export function contractProducts(ir: KernelIr): KernelIr {
  return { ...ir, body: ir.body.map(contractInstruction), result: contractValue(ir.result) };
}

function contractInstruction(instruction: Instruction): Instruction {
  switch (instruction.kind) {
    case 'set':
      return { ...instruction, value: contractValue(instruction.value) };
    case 'loop':
      return { ...instruction, body: instruction.body.map(contractInstruction) };
    case 'branch':
      return {
        ...instruction,
        cases: instruction.cases.map(one => ({ ...one, body: one.body.map(contractInstruction) })),
        otherwise: instruction.otherwise.map(contractInstruction),
      };
  }
}

/** Loads and other leaves stay the same objects, by which later passes know them. */
function contractValue(value: Value): Value {
  if (value.kind === 'unary') return { ...value, operand: contractValue(value.operand) };
  if (value.kind !== 'binary') return value;
  const left = contractValue(value.left);
  const right = contractValue(value.right);
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
