/* isas: prints the instruction sets that this CPU has kernels for, as DSF_ISA takes them, best first. */
#include "dsf.h"
#include "expect.h"

int main(void) {
    for (int32_t i = 0; i < dsf_isa_count(); ++i) {
        dsf_isa_info info = DSF_INIT(dsf_isa_info);
        EXPECT(dsf_isa_row(i, &info, NULL) == DSF_OK);
        if (info.available) printf("%s ", info.name);
    }
    printf("\n");
    return 0;
}
