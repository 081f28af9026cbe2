/** Plans what a GPU runs at once: a dispatch costs more than a small kernel. */
import type { Node } from '../math/graph/node.js';
import { type Copies, type ShaderKernel, shaderKernel } from './kernels.js';
import { type Dispatch, type LinkedPlan, linkDispatches } from './link.js';
import { extentsOf, type Kernel, type Plan, parametersOf, type Step, useOf } from './plan.js';
import { coefficient, type KernelIr, loadsOf, valuesOf } from './simd-ir.js';
import { hasLoop, MAX_GROUPS, MAX_WORDS, type Shader } from './wgsl.js';

export interface DeviceCode extends Copies {
  readonly shader: Shader;
  readonly plan: Plan;
  /** What an instance computes. */
  readonly steps: readonly Step[];
}

/** Steps that one thread computes at one place, each from the results of those before. */
interface Unit {
  readonly steps: Step[];
  /** Steps of a unit with loops are not joined. */
  readonly isOpen: boolean;
  readonly isEarly: boolean;
  /** Units of one level do not depend on each other. */
  level: number;
}

/** Most extents along z that a thread computes, if they are not those of its other kernels. */
const MAX_DEPTH = 8;

const linked = new WeakMap<Plan, LinkedPlan<DeviceCode>>();

export function linkForDevice(plan: Plan): LinkedPlan<DeviceCode> {
  const known = linked.get(plan) ?? link(plan);
  linked.set(plan, known);
  return known;
}

function link(plan: Plan): LinkedPlan<DeviceCode> {
  const codes = new Map<string, DeviceCode>();
  const units = unitsOf(plan);
  const dispatches: Dispatch<DeviceCode>[] = [];
  const steps: Step[] = [];
  const batches = new Map<string, Unit[]>();
  for (const isEarly of [true, false]) {
    const early = units.filter(unit => unit.isEarly === isEarly).sort((a, b) => a.level - b.level);
    for (const unit of early) {
      const code = [...unit.steps.map(({ kernel }) => kernel.name)].join();
      const words = unit.steps.reduce((sum, { operands }) => sum + operands.length + 1, 0);
      let key = `${isEarly} ${unit.level} ${code}`;
      const depth = Math.max(...unit.steps.map(({ kernel }) => extentsOf(kernel).z));
      const most = Math.max(1, Math.floor(Math.min(MAX_WORDS / words, MAX_GROUPS / depth)));
      while ((batches.get(key)?.length ?? 0) >= most) key += '+';
      batches.set(key, [...(batches.get(key) ?? []), unit]);
    }
  }
  for (const batch of batches.values()) {
    const [first] = batch;
    const key = first.steps.map(({ kernel }) => kernel.name).join();
    const code = codes.get(key) ?? compileUnit(plan, first);
    codes.set(key, code);
    dispatches.push({ code, steps: batch.length * first.steps.length });
    steps.push(...batch.flatMap(unit => unit.steps));
  }
  return linkDispatches({ ...plan, steps }, dispatches, false);
}

function compileUnit(plan: Plan, { steps }: Unit): DeviceCode {
  const [first, ...others] = steps.map(kernelFor);
  return { shader: first.shader(others), plan, steps, spareBytes: 0, packed: [] };
}

const kernels = new WeakMap<Kernel, ShaderKernel>();

/** The kernel of a step, whose use of it is checked. */
function kernelFor(step: Step): ShaderKernel {
  const kernel = kernels.get(step.kernel) ?? shaderKernel(useOf(step));
  kernels.set(step.kernel, kernel);
  kernel.check(parametersOf(step.kernel, step.operands));
  return kernel;
}

/** A step joins the last unit whose results it reads, if each thread reads only its own. */
function unitsOf(plan: Plan): Unit[] {
  const units: Unit[] = [];
  const unitOf = new Map<Node, Unit>();
  plan.steps.forEach((step, i) => {
    const isEarly = i < plan.first;
    const ir = kernelFor(step).ir;
    const isOpen = !hasLoop(ir.body);
    const before = step.operands.flatMap(operand =>
      typeof operand === 'number' ? [] : (unitOf.get(operand) ?? []),
    );
    const level = Math.max(-1, ...before.map(unit => unit.level));
    const last = before.find(unit => unit.level === level);
    const isAlone = before.every(unit => unit === last || unit.level < level);
    if (last && isOpen && isAlone && last.isEarly === isEarly && joins(step, ir, last)) {
      last.steps.push(step);
      unitOf.set(step.node, last);
      return;
    }
    const unit = { steps: [step], isOpen, isEarly, level: level + 1 };
    units.push(unit);
    unitOf.set(step.node, unit);
  });
  return units;
}

function joins(step: Step, ir: KernelIr, { steps, isOpen }: Unit): boolean {
  if (!isOpen) return false;
  const { x, y, z } = ir.extents;
  const extents = steps.map(({ kernel }) => extentsOf(kernel));
  if (extents.some(extent => extent.x !== x || extent.y !== y)) return false;
  const isFlat = extents.every(extent => extent.z === z);
  if (!isFlat && [z, ...extents.map(extent => extent.z)].some(depth => depth > MAX_DEPTH)) return false;
  const words = [...steps, step].reduce((sum, { operands }) => sum + operands.length + 1, 0);
  if (words > MAX_WORDS) return false;
  const written = new Set<Step['operands'][number]>(steps.map(({ node }) => node));
  const fromSteps = new Set(
    step.kernel.text.arguments.filter((_, i) => written.has(step.operands[i])).map(({ name }) => name),
  );
  const plane = x * y;
  return valuesOf(ir.body, ir.result)
    .flatMap(loadsOf)
    .every(({ array, element, gathered }) => {
      if (gathered.some(({ index }) => fromSteps.has(index.array))) return false;
      if (!fromSteps.has(array)) return true;
      const [depth, rest] = [coefficient(element, 'z'), element.constant % plane];
      const isHere = coefficient(element, 'x') === 1 && (y === 1 || coefficient(element, 'y') === x);
      const known = ['x', 'y', 'z'];
      if (gathered.length > 0 || !isHere || rest !== 0) return false;
      if ([...element.terms.keys()].some(name => !known.includes(name))) return false;
      return isFlat ? element.constant === 0 && (z === 1 || depth === plane) : depth % plane === 0;
    });
}
