/** Sends server-sent events to one page (HTML Living Standard, 9.2) while it is open. */
import type { ServerResponse } from 'node:http';
import type { Message, Watcher } from './channel.js';
import type { Hello } from './documents.js';

/**
 * Maximum unread bytes of a page; beyond it the connection is closed, and the page reconnects for
 * the whole document.
 */
const MAX_WAITING_BYTES = 32 << 20;
/** Interval of heartbeats, shorter than the timeouts of proxies and pages. */
const BEAT_MS = 10_000;
/** Delay before a browser reconnects. */
const RETRY_MS = 1000;

export class EventStream implements Watcher {
  private readonly beat: NodeJS.Timeout;

  /**
   * Writes the response header.
   * @param server see `Hello`
   */
  constructor(
    private readonly response: ServerResponse,
    server: string,
    closed: () => void,
  ) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    this.write(`retry: ${RETRY_MS}\nevent: hello\ndata: ${JSON.stringify({ server } satisfies Hello)}\n\n`);
    this.beat = setInterval(() => this.write('event: beat\ndata: {}\n\n'), BEAT_MS);
    response.on('close', () => {
      clearInterval(this.beat);
      closed();
    });
  }

  get isOpen(): boolean {
    return !this.response.destroyed && !this.response.writableEnded;
  }

  send({ id, event, data }: Message): void {
    this.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`);
  }

  end(): void {
    this.response.end();
  }

  private write(text: string): void {
    if (!this.isOpen) return;
    if (this.response.writableLength > MAX_WAITING_BYTES) this.response.destroy();
    else this.response.write(text);
  }
}
