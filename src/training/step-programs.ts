/** The programs that one training step of a shard runs, for counting and printing them without running anything. */
import type { Program } from '../graph/node.js';
import type { LossName } from '../losses/index.js';
import { segmentProgram } from '../model/programs.js';
import { cutIntoSegments } from '../model/segments.js';
import type { ModelSpec } from '../model/spec.js';
import type { ShardShape } from './shard.js';

export interface StepProgram {
  readonly name: string;
  readonly program: Program;
  /** How often a step runs it. */
  readonly runs: number;
}

/** The same programs as `Shard.addGradient` runs. */
export function stepPrograms(spec: ModelSpec, loss: LossName, shape: ShardShape): StepProgram[] {
  const segments = cutIntoSegments(shape.sequenceLength, spec.numLayers);
  const found = new Map<string, StepProgram>();
  const add = (name: string, make: () => Program) => {
    const known = found.get(name);
    found.set(name, known ? { ...known, runs: known.runs + 1 } : { name, program: make(), runs: 1 });
  };
  segments.forEach(({ steps }, i) => {
    const last = i === segments.length - 1;
    const hasLoss = last || spec.head === 'every';
    const options = { ...shape, steps, carriesState: segments.length > 1 };
    const backward = last ? 'from-loss' : 'from-states';
    if (!last) {
      add(`forward over ${steps} steps`, () =>
        segmentProgram(spec, loss, { ...options, hasLoss: false, gradient: false }),
      );
    }
    add(`gradient over ${steps} steps (${backward})`, () =>
      segmentProgram(spec, loss, { ...options, hasLoss, gradient: backward }),
    );
  });
  return [...found.values()];
}
