/** JSON Lines and texts, whole and in pieces. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { DataRecord, DatasetConfig } from '../../src/data/index.js';
import type { RandomStream } from '../../src/util/random.js';
import { mutateBytes, mutateJson, mutateText, onceIn, pick } from '../support/mutations.js';
import { openSoundly, predictFrom } from './fuzz-sound.js';
import type { FuzzTarget } from './fuzz-target.js';

/** What a model that was trained with `config` reads. */
function recordOf(config: DatasetConfig): Partial<DataRecord> {
  if (config.kind === 'jsonl' && config.input_kind === 'number') return { sequence_length: 5 };
  const level = 'level' in config ? (config.level ?? null) : null;
  return {
    input: { kind: 'symbol', count: 3 },
    sequence_length: 5,
    vocabulary: { level, symbols: ['<unk>', 'a', 'b'] },
  };
}

/** Written as it is, damaged or cut off, perhaps as gzip. */
function write(path: string, text: string, random: RandomStream): void {
  const mutated = onceIn(random, 3) ? text : mutateText(text, random);
  const bytes = onceIn(random, 6) ? mutateBytes(Buffer.from(mutated), random) : Buffer.from(mutated);
  const cut = onceIn(random, 8) ? bytes.subarray(0, random.integer(bytes.length + 1)) : bytes;
  writeFileSync(path, onceIn(random, 10) ? gzipSync(cut) : cut);
}

function record(random: RandomStream, i: number) {
  const steps = 1 + random.integer(4);
  const list = <T>(make: () => T): T[] => Array.from({ length: steps }, make);
  return {
    id: onceIn(random, 2) ? i : `s${i}`,
    x: list(() => random.integer(100) / 7),
    s: list(() => pick(random, ['a', 'b', 'c', 7, true])),
    t: list(() => pick(random, ['a', 'b ', 'é', '🥊', '\n'])).join(''),
    y: pick(random, ['up', 'down', null, 1, -100]),
    tags: list(() => pick(random, ['A', 'B', null])),
    v: onceIn(random, 20) ? [1, 2] : random.integer(9) / 3,
  };
}

export const jsonlFiles: FuzzTarget = {
  name: 'jsonl',
  open: folder => {
    const [path, test] = [join(folder, 'data.jsonl'), join(folder, 'test.jsonl')];
    const lines = (random: RandomStream): string =>
      Array.from({ length: 3 + random.integer(8) }, (_, i) => {
        const made = record(random, i);
        return JSON.stringify(onceIn(random, 20) ? mutateJson(made, random) : made);
      }).join(pick(random, ['\n', '\n', '\r\n']));
    return random => {
      write(path, lines(random), random);
      const hasTest = onceIn(random, 2);
      if (hasTest) write(test, lines(random), random);
      const [input, input_kind] = pick(random, [
        ['x', 'number'],
        ['s', 'symbol'],
        ['t', 'text'],
      ] as const);
      const [target, target_kind, per_step] = pick(random, [
        ['y', 'class', false],
        ['tags', 'class', true],
        ['v', 'value', false],
      ] as const);
      const config: DatasetConfig = {
        kind: 'jsonl',
        path,
        ...(hasTest ? { test_path: test } : { test_fraction: 0.3 }),
        input,
        input_kind,
        ...(input_kind === 'text' && { level: pick(random, ['character', 'byte', 'word'] as const) }),
        min_count: pick(random, [1, 1, 2]),
        target,
        target_kind,
        per_step,
        ...(onceIn(random, 2) && { id: 'id' }),
      };
      return onceIn(random, 3)
        ? predictFrom(path, config, recordOf(config), random)
        : () => openSoundly(config);
    };
  },
};

export const textFiles: FuzzTarget = {
  name: 'text',
  open: folder => {
    const [path, second] = [join(folder, 'a.txt'), join(folder, 'b.txt')];
    const text = (random: RandomStream): string =>
      Array.from({ length: 10 + random.integer(60) }, () =>
        pick(random, ['a', 'b', ' ', 'é', '🥊', '\n', 'wort']),
      ).join('');
    return random => {
      write(path, text(random), random);
      write(second, text(random), random);
      const config: DatasetConfig = {
        kind: 'text',
        path: onceIn(random, 3) ? [path, second] : path,
        test_fraction: pick(random, [0.1, 0.5]),
        level: pick(random, ['character', 'byte', 'word'] as const),
        sequence_length: 1 + random.integer(9),
        min_count: pick(random, [1, 1, 3]),
        ...(onceIn(random, 3) && { validation: { fraction: 0.3 } }),
        ...(onceIn(random, 5) && { limit: 1 + random.integer(3) }),
      };
      return onceIn(random, 4)
        ? predictFrom(path, config, recordOf(config), random)
        : () => openSoundly(config);
    };
  },
};

export const forecastFiles: FuzzTarget = {
  name: 'forecast',
  open: folder => {
    const path = join(folder, 'data.csv');
    return random => {
      const isDated = !onceIn(random, 3);
      const rows = Array.from({ length: 8 + random.integer(24) }, (_, i) => [
        `s${i % 2}`,
        isDated ? new Date(Date.UTC(2024, 0, 1 + (i >> 1))).toISOString().slice(0, 10) : i,
        onceIn(random, 40) ? '' : random.integer(100) / 7,
        random.integer(9),
        i % 3,
      ]);
      const text = ['s,t,y,x,k', ...rows.map(row => row.join(','))].join(pick(random, ['\n', '\r\n']));
      const mutated = onceIn(random, 2) ? text : mutateText(text, random);
      writeFileSync(path, onceIn(random, 6) ? mutateBytes(Buffer.from(mutated), random) : mutated);
      const config: DatasetConfig = {
        kind: 'forecast',
        delimiter: ',',
        per_step: false,
        path,
        target: 'y',
        ...(!onceIn(random, 3) && { series: 's' }),
        ...(!onceIn(random, 3) && { time: 't' }),
        ...(onceIn(random, 2) && { features: ['x'] }),
        ...(onceIn(random, 2) && { known: ['k'] }),
        ...(onceIn(random, 3) && { calendar: ['month', 'day_of_week'] as const }),
        input_steps: 1 + random.integer(3),
        horizon: 1 + random.integer(3),
        stride: 1 + random.integer(2),
        ...(onceIn(random, 2) && { season: 2 }),
        normalize: pick(random, ['standard', 'min_max', 'none'] as const),
        test_fraction: pick(random, [0.2, 0.4]),
        ...(onceIn(random, 2) && { validation: { fraction: 0.3 } }),
      };
      const ones = Array(1 + (config.features ?? []).length + (config.known ?? []).length).fill(1);
      const series_scaling = { pooled: { offset: ones, scale: ones }, series: [] };
      return onceIn(random, 3)
        ? predictFrom(path, config, { sequence_length: 3, output_size: 1, series_scaling }, random)
        : () => openSoundly(config);
    };
  },
};
