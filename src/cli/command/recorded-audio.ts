/** The sound of recordings that a run has predicted, for reports and the dashboard. */
import { join } from 'node:path';
import { readSound } from '../../data/audio/sounds.js';
import { folderOf } from '../../data/reading/files.js';
import type { Run } from '../../run/run.js';
import { wavBytes } from '../../util/wav.js';
import type { Recorded } from '../../view/run-report.js';

/** As a WAV file; undefined if the recording has gone. */
export function audioOf({ config }: Run, { split, recording }: Recorded): Buffer | undefined {
  const { path, channel, ...paths } = Object(config.dataset);
  const name = recording.file;
  const file = join(folderOf(paths[`${split}_path`] ?? path), name);
  const sound = readSound({ ...recording, file, name, channel });
  return sound && Buffer.from(wavBytes(sound.samples, sound.rate).buffer);
}
