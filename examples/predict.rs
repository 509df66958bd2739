//! predict: checks a model's file, runs it once and prints the best class. Without crates: the few functions of dsf.h
//! that it calls are declared by hand, each struct with its size first.
//!
//! usage: predict MODEL.dsf     a model with one input of float32, which is filled with 0.5

use std::ffi::{CStr, CString};
use std::fmt;
use std::mem::size_of;
use std::os::raw::{c_char, c_void};
use std::ptr::{null, null_mut};

const ABI_VERSION: u32 = 2; // DSF_ABI_VERSION
const FLOAT32: i32 = 1; // DSF_FLOAT32

#[repr(C)]
struct DsfError {
    struct_size: usize,
    status: i32,
    place: [c_char; 256],
    found: [c_char; 512],
    expected: [c_char; 512],
    what_to_do: [c_char; 512],
    message: [c_char; 1792],
}

#[repr(C)]
struct DsfTensor {
    struct_size: usize,
    dtype: i32,
    rank: i32,
    shape: [i64; 6],
    data: *mut c_void,
    bytes: usize,
}

#[repr(C)]
struct DsfValueInfo {
    struct_size: usize,
    name: *const c_char,
    dtype: i32,
    rank: i32,
    shape: [i64; 6],
}

#[repr(C)]
struct DsfSummary {
    struct_size: usize,
    bytes: u64,
    nodes: i32,
    weights: i32,
}

/// DSF_INIT: all zero, but for its size. Only for the structs above, in which zeros are what is not there.
fn init<Struct>() -> Struct {
    unsafe {
        let mut made: Struct = std::mem::zeroed();
        (&mut made as *mut Struct as *mut usize).write(size_of::<Struct>());
        made
    }
}

// Models, sessions, limits and options are pointers that this program does not look into; null limits and options are
// the default ones.
#[link(name = "dsf")]
extern "C" {
    fn dsf_abi_version() -> u32;
    fn dsf_check(
        path: *const c_char,
        limits: *const c_void,
        summary: *mut DsfSummary,
        error: *mut DsfError,
    ) -> i32;
    fn dsf_model_open(
        path: *const c_char,
        limits: *const c_void,
        model: *mut *mut c_void,
        error: *mut DsfError,
    ) -> i32;
    fn dsf_model_destroy(model: *mut c_void);
    fn dsf_model_input_count(model: *const c_void) -> i32;
    fn dsf_model_input(
        model: *const c_void,
        index: i32,
        info: *mut DsfValueInfo,
        error: *mut DsfError,
    ) -> i32;
    fn dsf_model_label(model: *const c_void, output: i32, index: i32) -> *const c_char;
    fn dsf_session_create(
        model: *mut c_void,
        options: *const c_void,
        session: *mut *mut c_void,
        error: *mut DsfError,
    ) -> i32;
    fn dsf_session_destroy(session: *mut c_void);
    fn dsf_session_run(
        session: *mut c_void,
        inputs: *const DsfTensor,
        input_count: i32,
        outputs: *mut DsfTensor,
        output_count: i32,
        error: *mut DsfError,
    ) -> i32;
}

/// What libdsf, or this program, has to say: sentences for a person.
struct Refusal(String);

impl fmt::Debug for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// Calls a function of dsf.h that takes a dsf_error last.
fn call(function: impl FnOnce(*mut DsfError) -> i32) -> Result<(), Refusal> {
    let mut error: DsfError = init();
    if function(&mut error) == 0 {
        return Ok(());
    }
    Err(Refusal(text(error.message.as_ptr())))
}

fn text(given: *const c_char) -> String {
    unsafe { CStr::from_ptr(given) }
        .to_string_lossy()
        .into_owned()
}

struct Model(*mut c_void);

impl Model {
    fn open(path: &CStr) -> Result<Model, Refusal> {
        let mut model = null_mut();
        call(|error| unsafe { dsf_model_open(path.as_ptr(), null(), &mut model, error) })?;
        Ok(Model(model))
    }

    /// The only input's shape, for a batch of one.
    fn input_shape(&self) -> Result<Vec<i64>, Refusal> {
        let mut info: DsfValueInfo = init();
        call(|error| unsafe { dsf_model_input(self.0, 0, &mut info, error) })?;
        if unsafe { dsf_model_input_count(self.0) } != 1 || info.dtype != FLOAT32 {
            return Err(Refusal(
                "this program is for models with one input of float32".into(),
            ));
        }
        Ok(info.shape[..info.rank as usize]
            .iter()
            .map(|size| size.abs())
            .collect()) // -k: k times the batch
    }

    fn label(&self, index: usize) -> String {
        let found = unsafe { dsf_model_label(self.0, 0, index as i32) };
        if found.is_null() {
            format!("class {index}")
        } else {
            text(found)
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        unsafe { dsf_model_destroy(self.0) }
    }
}

struct Session(*mut c_void);

impl Session {
    fn new(model: &Model) -> Result<Session, Refusal> {
        let mut session = null_mut();
        call(|error| unsafe { dsf_session_create(model.0, null(), &mut session, error) })?;
        Ok(Session(session))
    }

    /// A copy of the first output.
    fn run(&mut self, values: &mut [f32], shape: &[i64]) -> Result<Vec<f32>, Refusal> {
        let mut input: DsfTensor = init();
        let mut output: DsfTensor = init();
        input.dtype = FLOAT32;
        input.rank = shape.len() as i32;
        input.shape[..shape.len()].copy_from_slice(shape);
        input.data = values.as_mut_ptr() as *mut c_void;
        input.bytes = std::mem::size_of_val(values);
        call(|error| unsafe { dsf_session_run(self.0, &input, 1, &mut output, 1, error) })?;
        if output.dtype != FLOAT32 {
            return Err(Refusal(
                "this program is for models with an output of float32".into(),
            ));
        }
        let count = output.bytes / size_of::<f32>();
        Ok(unsafe { std::slice::from_raw_parts(output.data as *const f32, count) }.to_vec())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        unsafe { dsf_session_destroy(self.0) }
    }
}

fn main() -> Result<(), Refusal> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 2 {
        return Err(Refusal("usage: predict MODEL.dsf".into()));
    }
    if unsafe { dsf_abi_version() } != ABI_VERSION {
        return Err(Refusal(
            "this program was written for another version of libdsf".into(),
        ));
    }
    let path =
        CString::new(arguments[1].as_str()).map_err(|_| Refusal("a path has no zeros".into()))?;

    let mut summary: DsfSummary = init();
    call(|error| unsafe { dsf_check(path.as_ptr(), null(), &mut summary, error) })?;
    println!(
        "{} bytes, {} nodes, {} weights",
        summary.bytes, summary.nodes, summary.weights
    );

    let model = Model::open(&path)?;
    let shape = model.input_shape()?;
    let mut values = vec![0.5f32; shape.iter().product::<i64>() as usize];
    let scores = Session::new(&model)?.run(&mut values, &shape)?;
    let best = (0..scores.len())
        .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
        .unwrap_or(0);
    println!("{}: {}", model.label(best), scores[best]);
    Ok(())
}
