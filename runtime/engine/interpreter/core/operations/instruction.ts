import type { Opcode } from '../../../../wasm/opcodes/opcode.ts';
import { type Code, unsigned } from '../assembler.ts';

/** The bytes of an instruction without its immediates. */
export const instruction = ({ code }: Opcode): Code => (code < 0x1000 ? code : [code >> 12, unsigned(code & 0xfff)]);
