/** What the bench's scripts take from packages that only the bench installs; their own types clash with the browser's. */

export const version: { tfjs: string };
export function env(): any;
export function matMul(a: any, b: any): any;
export function ready(): Promise<void>;
export function setBackend(name: string): Promise<boolean>;
export function setThreadsCount(count: number): void;
export function setWasmPaths(folder: string): void;
export function tensor(data: any, shape: number[]): any;

export function loadAndCompile(url: string, options: object): Promise<any>;
export function loadLiteRt(folder: string, options: object): Promise<any>;
export class Tensor {
  constructor(data: any, shape: number[]);
}
