/**
 * What cellrun needs of its host: files, paths, digests, compression, threads and facts about the
 * machine. In Node it is Node's own (`node.ts`); the build for browsers replaces it by
 * `browser.ts`, which has the same names.
 */
export * from './node.js';
