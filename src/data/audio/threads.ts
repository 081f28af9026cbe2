/** Features of many recordings, computed in several threads. */

import { mayUseThreads, Thread } from '../../util/thread.js';
import type { FeatureConfig } from './facts.js';
import { FeatureForm } from './features.js';
import { type Extraction, framesOf, type Samples } from './recording.js';

/** What a thread is started with. */
interface ThreadSetup extends Pick<Extraction, 'scaling'> {
  readonly config: FeatureConfig;
  /** Of the features. */
  readonly rate: number;
}

/** What a thread does that computes features. */
export function computeFeatures({ config, rate, scaling }: ThreadSetup) {
  const form = new FeatureForm(config, rate);
  return (samples: Samples) => framesOf(samples, { form, scaling });
}

/** So many samples take less time than a thread needs to start. */
const FEW = 2 ** 21;
/** Longer recordings stay here, where they are read in pieces: not all of them fit in memory. */
const MOST = 2 ** 22;
/** More threads would wait for this one, which reads the files. */
const MAX_THREADS = 4;
/** Recordings that a thread has at a time. */
const AT_ONCE = 4;

/** The features do not depend on the number of threads. */
export class FeatureThreads {
  private readonly threads: Thread<Samples, Float32Array>[] = [];
  private readonly most: number;
  private seen = 0;
  private sent = 0;

  constructor(threads: number) {
    this.most = mayUseThreads() && threads > 1 ? Math.min(MAX_THREADS, threads) : 0;
  }

  /** Number of recordings to start before the features of the first one are awaited. */
  get ahead(): number {
    return AT_ONCE * this.threads.length;
  }

  /**
   * Starts to compute features, `[frames, F]`.
   * @throws UserError (exit 5) if a sample is damaged
   */
  start(samples: Samples, extraction: Extraction): Float32Array | Promise<Float32Array> {
    const { count, rate } = samples;
    this.seen += count;
    if (this.most === 0 || this.seen <= FEW || count > MOST) return framesOf(samples, extraction);
    if (this.threads.length < this.most) {
      const { form, scaling } = extraction;
      const setup: ThreadSetup = { config: form.config, rate: form.rate, scaling };
      this.threads.push(new Thread('data/audio/worker.js', setup));
    }
    const pieces = [...samples.pieces];
    const moved = pieces.map(({ buffer }) => buffer as ArrayBuffer);
    const found = this.threads[this.sent++ % this.most].ask({ count, rate, pieces }, moved);
    // thrown when it is awaited
    found.catch(() => {});
    return found;
  }

  async end(): Promise<void> {
    await Promise.all(this.threads.map(thread => thread.end()));
  }
}
