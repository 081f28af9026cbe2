/** The readouts of the tasks; exported modules contain these, and nothing else of a task. */
import type { Split } from '../data/core/dataset.js';
import type { ForecastWindow } from '../data/core/record.js';
import type { Targets } from '../data/core/targets.js';
import type { Adaptation } from '../math/confidence/adaptive.js';
import { ClassReadout } from './classes/readout.js';
import type { Adapt, Readout, ReadoutModel } from './core/readout.js';
import { SequenceReadout } from './sequences/readout.js';
import { ValueReadout } from './values/readout.js';

export { probabilities, probabilityOf } from './classes/readout.js';
export type { Readout } from './core/readout.js';

export function readoutOf(run: ReadoutModel, targets: Targets, adapt?: Adapt): Readout {
  switch (targets.kind) {
    case 'class':
      return new ClassReadout(run, targets, adapt);
    case 'value':
      return new ValueReadout(run, targets, adapt);
    case 'sequence':
      return new SequenceReadout(run, targets);
  }
}

/**
 * The readouts of sequences in the order of time: adaptive intervals change from one window of a
 * series to the next. One object for all batches of a pass.
 */
export class Readouts {
  /** Of the sequences that have the intervals of the run. */
  private plain: { readonly targets: Targets; readonly readout: Readout } | undefined;

  /** @param adaptation absent: intervals are fixed */
  constructor(
    private readonly run: ReadoutModel,
    private readonly adaptation?: Adaptation,
  ) {}

  /**
   * Returns the readout of a sequence of a batch.
   * @param split the batch; `window` are the steps that the sequence predicts, if it is a forecast
   */
  of({ targets }: Pick<Split, 'targets'>, window: ForecastWindow | undefined): Readout {
    const { run, adaptation } = this;
    const { intervals } = run.decisions ?? {};
    if (!adaptation || !window || !intervals) {
      if (this.plain?.targets !== targets) this.plain = { targets, readout: readoutOf(run, targets) };
      return this.plain.readout;
    }
    const quantiles = adaptation.quantilesAt(window);
    const decisions = { ...run.decisions, intervals: { ...intervals, quantiles } };
    return readoutOf({ ...run, decisions }, targets, (ahead, scores) =>
      adaptation.add(window, ahead, scores),
    );
  }
}
