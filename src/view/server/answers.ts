/** Responses and their headers, including what a browser may do with them. */
import type { ServerResponse } from 'node:http';

export type Status = 200 | 400 | 403 | 404 | 405 | 409 | 413 | 414 | 421 | 500 | 503;

/**
 * Sent with every response. The page uses only its own script and style (uPlot sets styles through
 * the DOM, which the policy allows), cannot be framed and sends no referrer.
 */
export const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Cache-Control': 'no-store',
};

/** Node omits the body of responses to HEAD. */
export function answer(
  response: ServerResponse,
  status: Status,
  type: 'text/html' | 'text/css' | 'text/javascript' | 'application/json',
  body: string | Uint8Array,
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Length': bytes.length,
    ...(status === 405 && { Allow: 'GET, HEAD' }),
    ...(status === 503 && { 'Retry-After': '2' }),
  });
  response.end(bytes);
}

export function answerJson(response: ServerResponse, value: object): void {
  answer(response, 200, 'application/json', JSON.stringify(value));
}

/** Sends an error as `{"error": …}`. */
export function refuse(response: ServerResponse, status: Exclude<Status, 200>, message: string): void {
  answer(response, status, 'application/json', JSON.stringify({ error: message }));
}
