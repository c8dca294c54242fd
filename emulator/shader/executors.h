// The functions that the opcode table names, one an instruction.
#pragma once

#include <cstdint>

#include "emulator/shader/instruction.h"

namespace gpuvm::shader {

using ExecuteFunction = void(Executor&, const Instruction&, uint32_t mask);

ExecuteFunction execute_fadd, execute_fmul, execute_ffma, execute_fmnmx, execute_fset, execute_fsetp,
    execute_fslct, execute_rro, execute_mufu, execute_dfma, execute_dmul, execute_dadd, execute_dmnmx,
    execute_dset, execute_dsetp, execute_ffma32i, execute_fmul32i, execute_fadd32i, execute_imul,
    execute_iadd32i, execute_lop32i, execute_mov32i, execute_imad, execute_iadd, execute_iscadd, execute_isad,
    execute_bfi, execute_bfe, execute_flo, execute_shr, execute_shl, execute_lop, execute_imnmx, execute_iset,
    execute_isetp, execute_islct, execute_f2f, execute_f2i, execute_i2f, execute_i2i, execute_psetp,
    execute_pset, execute_mov, execute_s2r, execute_sel, execute_prmt, execute_popc, execute_vote,
    execute_bar, execute_nop, execute_ld, execute_st, execute_ldl, execute_lds, execute_lds_lock, execute_stl,
    execute_sts, execute_sts_unlock, execute_atom, execute_red, execute_sulea, execute_suld, execute_sust,
    execute_ldc, execute_bra, execute_jmp, execute_cal, execute_jcal, execute_exit, execute_ret, execute_brk,
    execute_cont, execute_ssy, execute_pbk, execute_pcnt, execute_pret, execute_tex, execute_tex_bias,
    execute_tex_level, execute_txd, execute_tld, execute_tld4, execute_tmml, execute_txq, execute_quadop,
    execute_quadon, execute_quadpop, execute_imnmx_low, execute_imnmx_high;

}  // namespace gpuvm::shader
