/** Globals of Node that the program and its libraries use. */
export { Buffer } from 'buffer';

export const process = { cwd: () => '/', env: {}, platform: 'browser', emitWarning: () => {} };
