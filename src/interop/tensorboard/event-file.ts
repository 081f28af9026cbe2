/** An event file, written piece by piece; it appears under its name when complete. */
import { AtomicFile } from '../../run/files.js';
import { fileVersion } from './messages.js';
import { frame } from './record.js';

/** Records are small, so they are buffered up to this size. */
const CHUNK_BYTES = 1 << 16;

export class EventFile {
  private readonly file: AtomicFile;
  private waiting: Uint8Array[] = [];
  private bytes = 0;

  /**
   * `opened` is in seconds since 1970. During writing, the file has a name that TensorBoard
   * ignores. All methods throw the same error.
   * @throws UserError (exit 1) if the file cannot be written
   */
  constructor(path: string, opened: number) {
    this.file = AtomicFile.create(path, 'events');
    this.add(fileVersion(opened));
  }

  /** @param event a serialized Event */
  add(event: Uint8Array): void {
    const record = frame(event);
    this.waiting.push(record);
    this.bytes += record.length;
    if (this.bytes >= CHUNK_BYTES) this.hand();
  }

  commit(): void {
    this.hand();
    this.file.commit();
  }

  discard(): void {
    this.file.discard();
  }

  private hand(): void {
    this.file.write(Buffer.concat(this.waiting));
    this.waiting = [];
    this.bytes = 0;
  }
}
