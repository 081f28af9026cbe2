/** Normalizes objectives to minimization; nothing else knows the direction of the goal. */
import type { SweepPlan } from '../plan.js';

export class Goal {
  private readonly sign: 1 | -1;
  private readonly target: number | null;

  constructor({ objective, budget }: Pick<SweepPlan, 'objective' | 'budget'>) {
    this.sign = objective.goal === 'maximize' ? -1 : 1;
    this.target = budget.target === null ? null : this.sign * budget.target;
  }

  /** Returns the value to minimize. */
  minimised(value: number | null): number | null {
    return value === null ? null : this.sign * value;
  }

  isReached(value: number | null): boolean {
    const minimised = this.minimised(value);
    return this.target !== null && minimised !== null && minimised <= this.target;
  }
}
