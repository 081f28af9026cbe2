/**
 * Scaling of features over all recordings with the same value in a column, such as those of a
 * speaker.
 */
import { damagedError } from '../../util/errors.js';
import {
  type Dataset,
  inputWidth,
  isRejected,
  type NewSequence,
  type ReadSequence,
  type Split,
} from '../core/dataset.js';
import { positionsByKey } from '../core/drawing.js';
import type { Problems } from '../core/problems.js';
import type { DataScaling, Scaling } from '../core/record.js';
import { scaledRead, scalingOver } from '../core/scaling.js';
import { joinedRows, type Rows, stepsOf } from '../core/statistics.js';
import { mapSplits, subset } from '../core/store.js';
import { MAX_ELEMENTS } from '../reading/files.js';
import { type Recording, scaleTogether } from './recording.js';

/** Scales the recordings of each value of `column`, whatever their split. */
export function scaledSplits(dataset: Dataset, column: string, method: DataScaling['method']): Dataset {
  const { train, validation, test, sequenceLength } = dataset;
  const width = inputWidth(dataset.input);
  const groupOf = (split: Split, index: number): string => split.valueIn?.(column, index) ?? '';
  const groups = new Map<string, Rows[]>();
  for (const split of [train, validation ?? [], test].flat()) {
    for (const [group, indices] of positionsByKey(split.count, index => groupOf(split, index))) {
      const rows = stepsOf(subset(split, indices, sequenceLength), { width, sequenceLength });
      groups.set(group, [...(groups.get(group) ?? []), rows]);
    }
  }
  const scalings = new Map<string, Scaling>();
  for (const [group, parts] of groups) scalings.set(group, scalingOver(method, width, joinedRows(parts)));
  const scaled = (split: Split): Split =>
    withScaling(split, index => scalings.get(groupOf(split, index)) as Scaling, sequenceLength);
  return { ...dataset, ...mapSplits(dataset, scaled) };
}

function withScaling(split: Split, scalingOf: (index: number) => Scaling, steps: number): Split {
  const { load } = split;
  return {
    ...split,
    read: scaledRead(split, scalingOf, steps),
    ...(load && {
      load: async indices => withScaling(await load(indices), i => scalingOf(indices[i]), steps),
    }),
  };
}

/** Adds the problem of a recording without a value in `column`. */
export function checkGroup(recording: Recording, column: string, problems: Problems): void {
  if (recording.valueOf(column)) return;
  const message = `the recording has no ${column}, and those of each ${column} are scaled together`;
  problems.add({ code: 'data/audio-group', message, ...recording.place });
}

/** A recording to predict. */
export interface NewRecording {
  readonly recording: Recording;
  readonly sequence: ReadSequence;
}

/**
 * Scales the recordings of an input over those of it with the same value of `column`.
 * @param size F
 */
export async function scaledInputs(
  recordings: AsyncIterable<NewRecording>,
  column: string,
  size: number,
  method: DataScaling['method'],
): Promise<ReadSequence[]> {
  const all: ReadSequence[] = [];
  const read: { readonly sequence: NewSequence; readonly group: string }[] = [];
  let total = 0;
  for await (const { recording, sequence } of recordings) {
    all.push(sequence);
    if (isRejected(sequence)) continue;
    total += sequence.values.length;
    if (total > MAX_ELEMENTS) {
      const message = `the recordings of the input are too long: those of each ${column} are scaled together`;
      throw damagedError('data/too-large', message, {
        ...recording.place,
        expected: 'a part of them at a time',
      });
    }
    read.push({ sequence, group: recording.valueOf(column) ?? '' });
  }
  let alone: NewSequence | undefined;
  for (const [group, indices] of positionsByKey(read.length, index => read[index].group)) {
    const own = Array.from(indices, index => read[index].sequence);
    scaleTogether(
      own.map(({ values }) => values),
      size,
      method,
    );
    // once is enough
    if (own.length > 1 || alone) continue;
    alone = own[0];
    const message = `no other recording of the input has ${column} ${JSON.stringify(group)}, so it is scaled over itself`;
    const warnings = [...(alone.warnings ?? []), { code: 'data/audio-group', message, ...alone.place }];
    all[all.indexOf(alone)] = { ...alone, warnings };
  }
  return all;
}
