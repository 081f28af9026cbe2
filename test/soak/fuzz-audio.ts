/** Recordings. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetConfig } from '../../src/data/index.js';
import { packageRoot } from '../../src/util/root.js';
import { mutateBytes, onceIn, pick } from '../support/mutations.js';
import { inputs, openSoundly } from './fuzz-sound.js';
import type { FuzzTarget } from './fuzz-target.js';

const KEYS = {
  kind: 'audio',
  pattern: '{y}_{take}',
  target: 'y',
  target_kind: 'class',
  channel: 'mix',
} as const;
const FRAMES = { window: 1, hop: 1 } as const;

export const audioFiles: FuzzTarget = {
  name: 'audio',
  open: folder => {
    const fixture = readFileSync(join(packageRoot, 'test/fixtures/audio/encodings.json'), 'utf8');
    const files: readonly Buffer[] = JSON.parse(fixture).map(({ wav }: { readonly wav: string }) =>
      Buffer.from(wav, 'base64'),
    );
    const path = join(folder, 'recordings');
    mkdirSync(path);
    return random => {
      for (const name of ['a_0', 'a_1', 'b_0', 'b_1']) {
        const whole = pick(random, files);
        const bytes = onceIn(random, 2) ? whole : mutateBytes(whole, random, pick(random, files));
        writeFileSync(join(path, `${name}.wav`), bytes);
      }
      const config: DatasetConfig = {
        ...KEYS,
        path,
        features: { kind: 'raw', ...FRAMES },
        test_fraction: 0.5,
        ...(onceIn(random, 2) && { rate: 8000 }),
        channel: pick(random, ['mix', 'mix', 0, 1]),
      };
      return () => openSoundly(config);
    };
  },
};

export const audioInputs = inputs(audioFiles, 'recordings/a_0.wav', path => [
  { ...KEYS, path, features: { kind: 'raw', ...FRAMES } },
  { input: { kind: 'number', size: 8 }, sample_rate: 8000 },
]);
