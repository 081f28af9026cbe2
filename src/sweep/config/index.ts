/** Sweeps as users write them, checked and turned into plans. */
export { fromCommandLine, type LoadedSweep, loadSweep } from './load.js';
export { PointDiagnostics } from './points.js';
export { isSweepFile, type SweepFlags } from './read.js';
