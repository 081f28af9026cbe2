/** What a report shows of an evaluation of sequences of symbols. */
import { counted } from '../../util/words.js';
import { type Hear, visible } from '../core/report.js';
import type { SequenceEvaluation } from './facts.js';

export type SequenceReport = ReturnType<typeof sequenceReport>;

export function sequenceReport(written: SequenceEvaluation, hear: Hear) {
  const { inputs, sequence_accuracy: accuracy, symbol_names: names, edits, alignments = [] } = written;
  const errors = new Map(written.misread.map(({ index, errors: n }) => [index, counted(n, 'error')]));
  const nameOf = (symbol: number) => visible(names?.[symbol] ?? String(symbol));
  const shown = <T extends SymbolPair>({ target, predicted, ...more }: T) => ({
    ...more,
    target: target === null ? null : nameOf(target),
    predicted: predicted === null ? null : nameOf(predicted),
  });
  return {
    kind: 'sequence' as const,
    inputs,
    right: Math.round((accuracy ?? 0) * inputs),
    edits,
    alignments: alignments.map(({ id = null, input, predicted, ...aligned }) => ({
      ...aligned,
      id,
      errors: errors.get(aligned.index) ?? null,
      input: input?.map(visible) ?? null,
      recording: hear(aligned),
      predicted: predicted.map(nameOf),
    })),
    confusions: written.confusions.map(shown),
    misread: written.misread.map(({ id = null, input = null, alignment, ...misread }) => ({
      ...misread,
      id,
      input: input === null ? null : visible(input),
      recording: hear(misread),
      alignment: alignment.map(shown),
    })),
    scores: null,
  };
}

interface SymbolPair {
  readonly target: number | null;
  readonly predicted: number | null;
}
