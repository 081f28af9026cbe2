/** Features of recordings, from their files, over those of torchaudio. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FeatureForm } from '../../src/data/audio/features.js';
import { samplesOf } from '../../src/data/audio/recording.js';
import { FeatureThreads } from '../../src/data/audio/threads.js';
import { WavFile } from '../../src/data/formats/wav.js';
import { readContent } from '../../src/data/reading/files.js';
import { memoryBytes } from '../../src/data/reading/ranged-file.js';
import { RandomStream } from '../../src/util/random.js';
import { wavBytes } from '../../src/util/wav.js';
import { peersFolder } from './contenders.js';
import { inFolder, runProgram } from './programs.js';
import { type Figure, ratioOf, spreadOf } from './results.js';

const RECORDINGS = 1000;
/** Samples per second. */
const RATE = 16_000;
const FORM = new FeatureForm(
  {
    ...{ kind: 'log_mel', window: 25, hop: 10, bands: 40, deltas: 0 },
    ...{ min_frequency: 0, scale: 'htk', floor: 1e-10 },
  },
  RATE,
);

/**
 * A pass over all recordings in `threads` threads, as PyTorch's, after one to warm up, as its.
 * @param python undefined: nothing is compared
 */
export function measureFeatures(
  threads: number,
  rounds: number,
  python: string | undefined,
  note: (text: string) => void,
): Promise<Figure> {
  return inFolder(async folder => {
    const files = writeRecordings(folder);
    const [ours, theirs]: number[][] = [[], []];
    const pool = new FeatureThreads(threads);
    await extract(files, pool);
    for (let round = 0; round < rounds; round++) {
      ours.push(await extract(files, pool));
      if (python === undefined || theirs.length < round) continue;
      const program = [join(peersFolder, 'torchaudio_features.py'), folder, '--threads', `${threads}`];
      const finished = await runProgram(python, program).catch((error: Error) => error);
      if (finished instanceof Error) note(`whole/features: torchaudio is not measured: ${finished.message}`);
      else theirs.push(JSON.parse(finished.stdout).seconds);
    }
    await pool.end();
    return {
      id: 'whole/features',
      what: `mel bands of ${RECORDINGS} recordings, 25 minutes, from their files, ${threads} threads`,
      unit: 's',
      ours: spreadOf(ours),
      ...(theirs.length === rounds && {
        other: { name: 'torchaudio', value: spreadOf(theirs) },
        ratio: ratioOf(ours, theirs),
      }),
    };
  });
}

/** Noise of one to two seconds. @returns the files */
function writeRecordings(folder: string): string[] {
  const random = RandomStream.of(0, 'bench/features');
  const noise = Float64Array.from({ length: 2 * RATE }, () => random.uniform() - 0.5);
  return Array.from({ length: RECORDINGS }, (_, i) => {
    const file = join(folder, `${i}.wav`);
    const length = Math.round(RATE * (1 + i / RECORDINGS));
    writeFileSync(file, wavBytes(noise.subarray(noise.length - length), RATE));
    return file;
  });
}

/** Returns the seconds that it took. */
async function extract(files: readonly string[], threads: FeatureThreads): Promise<number> {
  const extraction = { form: FORM, channel: 'mix', scaling: undefined } as const;
  const began = performance.now();
  const started: ReturnType<FeatureThreads['start']>[] = [];
  for (const file of files) {
    const wav = new WavFile(memoryBytes(file, (await readContent(file)).bytes));
    started.push(threads.start(samplesOf(wav, { place: { file } }, extraction), extraction));
    while (started.length > threads.ahead) await started.shift();
  }
  await Promise.all(started);
  return (performance.now() - began) / 1000;
}
