/** A sweep as a source: sends the whole report whenever its journal or a trial's log has grown. */
import { findTrials } from '../../run/find.js';
import { isSweepWorkedOn } from '../../sweep/index.js';
import { SWEEP_FILES, signatureOf } from './safe-files.js';
import { DOCUMENT, NOTHING, type Source, type Update } from './source.js';

export class SweepSource implements Source {
  readonly everyMs = 500;
  private signature = '';

  /**
   * @param folder the sweep's directory, absolute
   * @param report builds its document
   */
  constructor(
    private readonly folder: string,
    private readonly report: (folder: string) => object,
  ) {}

  async poll(): Promise<Update> {
    const own = signatureOf(this.folder, SWEEP_FILES);
    const logs = findTrials(this.folder).map(({ path }) => signatureOf(path, ['log.jsonl']));
    const signature = [own, isSweepWorkedOn(this.folder), ...logs].join(' ');
    if (signature === this.signature) return NOTHING;
    this.signature = signature;
    return DOCUMENT;
  }

  document(): object {
    return this.report(this.folder);
  }

  close(): void {}
}
