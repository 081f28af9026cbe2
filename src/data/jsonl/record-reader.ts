/** Reads the sequence of each record, to train on it or for a trained model. */

import type { Diagnostic } from '../../util/errors.js';
import type { FeatureColumn } from '../core/columns.js';
import type { TargetCodes, TargetWarning } from '../core/labels.js';
import type { Problems } from '../core/problems.js';
import type { FloatList } from '../core/store.js';
import type { JsonlConfig } from './facts.js';
import {
  addSteps,
  attemptField,
  attemptStatics,
  labelOf,
  type RecordLine,
  type staticReader,
  targetNumbers,
  targetSymbols,
  targetsIn,
} from './records.js';

/** How the fields of a record become numbers. */
export interface RecordForm {
  /** F and C; the first record of training data sets them. */
  readonly shape: { features?: number; targets?: number };
  /** The fields with one value per record, and the reader of their values. */
  readonly columns: readonly FeatureColumn[];
  readonly staticOf: ReturnType<typeof staticReader>;
  /** The number of a symbol's text. */
  codeOf(text: string): number;
}

/** What a record is read into. */
interface RecordSink {
  readonly problems: Problems;
  /** Receives what makes a prediction doubtful. */
  warn?(warning: Diagnostic): void;
}

export class RecordReader {
  constructor(
    private readonly config: JsonlConfig,
    private readonly form: RecordForm,
  ) {}

  /** The numbers that a record has once. */
  statics(line: RecordLine, sink: RecordSink): readonly number[] {
    const { columns, staticOf } = this.form;
    const warnings = columns.map(({ name }) => warningsAt(line, name, sink));
    return attemptStatics(line, columns, sink.problems, (value, i) => staticOf(value, i, warnings[i]));
  }

  /**
   * Appends the steps of a record to `out` and returns their count; 0 if they are invalid.
   * @param statics of the record
   */
  steps(line: RecordLine, statics: readonly number[], out: FloatList, { problems }: RecordSink): number {
    const { config, form } = this;
    const steps = { ...form, statics, out };
    return attemptField(line, config.input, problems, value => addSteps(value, config, steps)) ?? 0;
  }

  /**
   * Returns the numbers of a record's target, NaN for those of a step without one; undefined if it
   * is invalid, or if it is a sequence and there is none.
   * @param length of the sequence
   */
  target(line: RecordLine, length: number, codes: TargetCodes, sink: RecordSink): number[] | undefined {
    const { config } = this;
    const read = (value: unknown): number[] | undefined => {
      if (config.target_kind !== 'sequence') return this.numbers(value, length, line, codes);
      if (value === null) return undefined;
      const warn = warningsAt(line, config.target, sink);
      return targetSymbols(value, config).map(text => codes.symbolOf(text, warn));
    };
    return attemptField(line, config.target, sink.problems, read, !config.per_step);
  }

  private numbers(value: unknown, length: number, line: RecordLine, codes: TargetCodes): number[] {
    const { config, form } = this;
    const { shape } = form;
    const all = targetsIn(value, length, config);
    if (config.target_kind === 'class') {
      const place = () => line.place(config.target);
      return all.map(label => (label === null ? Number.NaN : codes.classOf(labelOf(label), place)));
    }
    const first = all.find(one => one !== null);
    if (first !== undefined) shape.targets ??= targetNumbers(first, undefined).length;
    const { targets: size = 1 } = shape;
    return all.flatMap(one =>
      one === null ? new Array<number>(size).fill(Number.NaN) : targetNumbers(one, size),
    );
  }
}

function warningsAt(line: RecordLine, field: string, { warn }: RecordSink) {
  return (warning: Diagnostic | TargetWarning): void => warn?.({ ...warning, ...line.place(field) });
}
