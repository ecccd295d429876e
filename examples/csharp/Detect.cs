// Scores image files. The declarations of the library are in crates/capi/csharp/Native.cs.
//
//   mcs -unsafe Detect.cs Native.cs -out:Detect.exe && mono Detect.exe part.nfbmr new-parts/000.png
using System;
using System.Runtime.InteropServices;
using System.Text;
using Nfbmr;

static unsafe class Detect
{
    // Texts of the library are UTF-8.
    static string Text(byte* text)
    {
        int length = 0;
        while (text[length] != 0) length++;
        return Encoding.UTF8.GetString(text, length);
    }

    static byte[] Bytes(string text)
    {
        return Encoding.UTF8.GetBytes(text + "\0");
    }

    static void Check(NfbmrStatus status)
    {
        if (status != NfbmrStatus.Ok) throw new Exception(Text(Native.nfbmr_last_error()));
    }

    static int Main(string[] args)
    {
        if (args.Length < 2)
        {
            Console.Error.WriteLine("usage: Detect MODEL IMAGE ...");
            return 2;
        }
        NfbmrModel* model = null;
        bool defects = false;
        try
        {
            if (Native.nfbmr_abi_version() != Native.NFBMR_ABI_VERSION) throw new Exception("libnfbmr is of another ABI");
            fixed (byte* path = Bytes(args[0])) Check(Native.nfbmr_load(path, null, &model));
            for (int i = 1; i < args.Length; i++)
            {
                NfbmrDetection* detection = null;
                fixed (byte* path = Bytes(args[i])) Check(Native.nfbmr_detect_file(model, path, &detection));
                NfbmrResult result;
                Check(Native.nfbmr_detection_result(detection, &result));
                defects |= result.is_anomalous == 1;
                Console.WriteLine(Text(Native.nfbmr_detection_json(detection)));
                Native.nfbmr_detection_free(detection);
            }
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error.Message);
            return 2;
        }
        finally
        {
            Native.nfbmr_model_free(model);
        }
        return defects ? 1 : 0;
    }
}
